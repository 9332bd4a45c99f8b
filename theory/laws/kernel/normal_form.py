"""Decide identities between sums over a vocabulary of symbolic size.

An expression is rewritten as a rational function of *atoms*: indexed probabilities, exponentials,
logarithms, roots and sums in canonical form. Two expressions are equal if the numerator of their
difference vanishes identically; atoms are treated as independent, so the answer "equal" is sound,
while hidden relations between atoms can only make the kernel answer "undecided".

The rules, each an equation: `exp(a + b) = exp(a) exp(b)`, `exp(log x) = x`,
`log(xy) = log x + log y` for x, y > 0, linearity of finite sums, separation of products,
exchange of the order of summation where no limit depends on another index. Bound indices are
renamed to fresh dummies and hypotheses enter by `substitute`, so nothing is captured. A division
is accepted only if the divisor is proved to be non-zero. Floating-point numbers are refused.
"""

from __future__ import annotations

from functools import lru_cache, reduce
from itertools import permutations
from operator import mul

from sympy import (
    Abs,
    Add,
    Derivative,
    Dummy,
    Expr,
    Float,
    Indexed,
    Integer,
    KroneckerDelta,
    Max,
    Min,
    Mul,
    Piecewise,
    Pow,
    Product,
    Rational,
    S,
    Sum,
    Symbol,
    cancel,
    ceiling,
    cos,
    cosh,
    default_sort_key,
    exp,
    expand,
    factor_terms,
    floor,
    fraction,
    log,
    preorder_traversal,
    sign,
    sin,
    sinh,
    tanh,
    together,
)

from steering_strength.theory.laws.kernel import binding
from steering_strength.theory.laws.kernel.binding import differentiated, rename_bound, substitute
from steering_strength.theory.laws.kernel.facts import (
    Bounded,
    Fact,
    Given,
    Let,
    Sign,
    Split,
    Undecided,
)
from steering_strength.theory.laws.kernel.signs import (
    NEGATIVE,
    NONNEGATIVE,
    POSITIVE,
    ZERO,
    finite_range,
    ordered,
    real,
    sign_of,
    without_extremes,
)

# Canonical names of bound indices. Dummies equal only themselves, so no user symbol can clash.
_BOUND = tuple(Dummy(f"i{k}", integer=True) for k in range(12))
# The index of a sum while its terms are rewritten, by depth: what stands inside of a sum, and was
# rewritten before, is known again.
_RUNNING = tuple(Dummy(f"j{k}", integer=True) for k in range(12))
# Functions with a corner or a jump: no derivative without knowing on which side one is.
_ANGULAR = (Abs, Max, Min, sign, Piecewise, floor, ceiling)
_MAX_FLATTEN = 4  # sums over more indices at once stay nested: 4! orders are tried


class NormalForm:
    """Rewrites expressions as rational functions of atoms, under the given facts."""

    def __init__(self, given: tuple[Given, ...] = ()) -> None:
        self._symbol: dict[Expr, Symbol] = {}
        self._atom: dict[Symbol, Expr] = {}
        self._free: dict[Symbol, frozenset[Symbol]] = {}
        self._roots: dict[Symbol, tuple[int, Expr]] = {}
        self._facts = [g for g in given if isinstance(g, Fact)]
        self._splits = {(g.lower, g.upper): g.at for g in given if isinstance(g, Split)}
        self._lets = [g for g in given if isinstance(g, Let)]
        signs = tuple(g for g in given if isinstance(g, Sign))
        for g in given:
            if isinstance(g, Bounded):
                signs += tuple(Sign(g.bound + s * g.expr, for_all=g.for_all) for s in (1, -1))
        self._signs = (*signs, *(c for g in signs if (c := _canonical_sign(g)) is not None))
        self._known: dict[Expr, Expr] = {}
        self._instances: dict[tuple[int, tuple[Expr, ...]], Expr] = {}
        self._in_use: set[tuple[int, tuple[Expr, ...]]] = set()
        self._depth = 0  # of the sum that is being rewritten

    # -- the public face ---------------------------------------------------------------

    def is_zero(self, expr: Expr) -> bool:
        """Whether the numerator of the normal form vanishes identically."""
        numerator = expand(_over(self.ratio(expr))[0])
        for symbol, (order, base) in self._roots.items():  # r**order = base
            power = Dummy("power")
            terms = Add.make_args(numerator)
            if any(t.as_powers_dict()[symbol] >= order for t in terms):
                numerator = Add(*(self._reduce_root(t, symbol, order, base) for t in terms))
                numerator = expand(_over(numerator.xreplace({power: base}))[0])
        return numerator == 0

    def canonical(self, expr: Expr) -> Expr:
        """The normal form with the atoms written out again."""
        return self.restore(factor_terms(together(self.ratio(expr))))

    def restore(self, expr: Expr) -> Expr:
        """Replace atom symbols by the atoms they stand for."""
        return expr.xreplace(self._atom)

    def sign(self, expr: Expr) -> str:
        """Sign of `expr`: as it stands, else of its normal form; raises `Undecided`."""
        weak = None
        try:
            weak = sign_of(expr, self._signs)
            if weak in {POSITIVE, NEGATIVE, ZERO} or not expr.has(Sum):
                return weak
            return sign_of(self.canonical(expr), self._signs)
        except Undecided:
            if weak is not None:
                return weak
            return sign_of(self.canonical(expr), self._signs)

    # -- rewriting ---------------------------------------------------------------------

    def ratio(self, e: Expr) -> Expr:
        """`e` as a rational function of atom symbols; `Undecided` where a rule is missing."""
        if e not in self._known:
            self._known[e] = self._rewrite(e)
        return self._known[e]

    def _rewrite(self, e: Expr) -> Expr:
        if e.is_Number:
            if not e.is_finite or isinstance(e, Float):
                raise Undecided(f"{e} is not a finite exact number")
            return e
        if isinstance(e, Indexed):
            return self._new(e.base[tuple(self.restore(self.ratio(i)) for i in e.indices)])
        if e.is_Symbol:
            return e
        if isinstance(e, Add | Mul):
            return e.func(*map(self.ratio, e.args))
        if isinstance(e, exp):
            return self._exp(self.ratio(e.args[0]))
        if isinstance(e, Pow):
            return self._pow(*e.args)
        if isinstance(e, log):
            return self._log(e.args[0])
        if isinstance(e, tanh | sinh | cosh):
            return self.ratio(e.rewrite(exp))
        if isinstance(e, sin):  # sin^2 = 1 - cos^2
            angle = self.restore(self.ratio(e.args[0]))
            symbol = self._new(sin(angle))
            self._roots[symbol] = (2, 1 - self.ratio(cos(angle)) ** 2)
            return symbol
        if isinstance(e, Sum):
            return self._sum(e)
        if isinstance(e, Max | Min):
            return self.ratio(without_extremes(e, self._signs))
        if isinstance(e, Abs):
            return self._absolute(e.args[0])
        if isinstance(e, Derivative):
            done = differentiated(e, self._differentiable)
            if isinstance(done, Derivative):  # of an undefined function: an atom
                return self._new(done)
            return self.ratio(done)
        if e.is_Function:
            return self._new(e.func(*(self.restore(self.ratio(a)) for a in e.args)))
        raise Undecided(f"no rule for {type(e).__name__}: {e}")

    def _differentiable(self, d: Derivative) -> None:
        """Refuse a derivative that may not exist where the formula for it says it does."""
        if any(v.is_integer for v in d.variables):
            raise Undecided(f"a derivative by an integer: {d}")
        moved = {s for v in d.variables for s in v.free_symbols}
        for node in preorder_traversal(d.expr):
            if not isinstance(node, Expr) or not node.free_symbols & moved:
                continue
            if isinstance(node, _ANGULAR):
                raise Undecided(f"{node} may not be differentiable; give its sign, or its cases")
            if isinstance(node, log) and self.sign(node.args[0]) != POSITIVE:
                raise Undecided(f"logarithm of {node.args[0]}, which may not be positive")
            fractional = isinstance(node, Pow) and not node.exp.is_Integer
            if fractional and not isinstance(node, exp) and self.sign(node.base) != POSITIVE:
                raise Undecided(f"a power of {node.base}, which may not be positive")

    def _absolute(self, x: Expr) -> Expr:
        """|x| by its sign, else the root of x**2."""
        try:
            code = self.sign(x)
        except Undecided:
            code = ""
        if code in {POSITIVE, NONNEGATIVE, ZERO}:
            return self.ratio(x)
        if code in {NEGATIVE, "0-"}:
            return -self.ratio(x)
        if not real(x, self._signs):
            raise Undecided(f"the absolute value of {x}, which may not be real")
        inside = self.canonical(x)
        inside = -inside if inside.could_extract_minus_sign() else inside
        symbol = self._new(Abs(inside))
        self._roots[symbol] = (2, self.ratio(inside) ** 2)
        return symbol

    def _new(self, atom: Expr) -> Symbol:
        """The symbol that stands for a canonical atom."""
        if atom not in self._symbol:
            # SymPy knows no sign of a sum, and takes long to find that out
            positive = not isinstance(atom, Sum) and atom.is_positive
            symbol = Dummy("a", positive=True if positive else None)
            self._symbol[atom], self._atom[symbol] = symbol, atom
            self._free[symbol] = frozenset(atom.free_symbols)
        return self._symbol[atom]

    def _pow(self, base: Expr, exponent: Expr) -> Expr:
        if exponent.is_Integer:
            if exponent < 0 and self.sign(base) not in {"+", "-", "!0"}:
                raise Undecided(f"division by {base}, which may vanish")
            return self.ratio(base) ** exponent
        code = self.sign(base)
        if code in {NONNEGATIVE, ZERO} and exponent.is_Rational and exponent.is_positive:
            whole, part = divmod(exponent.p, exponent.q)
            return self.ratio(base) ** whole * self._root(base, exponent.q) ** part
        if code != POSITIVE:
            raise Undecided(f"power {exponent} of {base}, which may not be positive")
        return self._exp(self.ratio(exponent) * self._log(base))

    def _exp(self, x: Expr) -> Expr:
        numerator, denominator = _over(x)
        x = expand(x) if denominator.is_Number else expand(cancel(numerator / denominator))
        result = S.One
        for term in Add.make_args(x):
            c, rest = term.as_coeff_Mul()
            atom = self._atom.get(rest) if rest.is_Symbol else None
            if isinstance(atom, log):  # exp(c log b) = b**c
                whole, part = divmod(c.p, c.q) if isinstance(c, Rational) else (0, None)
                if part is None:
                    raise Undecided(f"exponent {self.restore(term)}")
                result *= self.ratio(atom.args[0]) ** whole
                if part:
                    result *= self._root(atom.args[0], c.q) ** part
            elif isinstance(c, Integer):
                result *= self._new(exp(self.restore(rest))) ** c if rest != 1 else exp(c)
            else:
                result *= self._new(exp(self.restore(term)))
        return result

    def _root(self, base: Expr, order: int) -> Symbol:
        symbol = self._new(base ** Rational(1, order))
        self._roots[symbol] = (order, self.ratio(base))
        return symbol

    @staticmethod
    def _reduce_root(term: Expr, symbol: Symbol, order: int, base: Expr) -> Expr:
        n = term.as_powers_dict()[symbol]
        whole, part = divmod(int(n), order)
        return term / symbol**n * symbol**part * base**whole

    def _log(self, argument: Expr) -> Expr:
        if isinstance(argument, Product):
            return self.ratio(Sum(log(argument.function), *argument.limits))
        if self.sign(argument) != POSITIVE:
            raise Undecided(f"logarithm of {argument}, which may not be positive")
        total = S.Zero
        numerator, denominator = fraction(together(self.ratio(argument)))
        factors = [(f, 1) for f in Mul.make_args(factor_terms(numerator))]
        factors += [(f, -1) for f in Mul.make_args(factor_terms(denominator))]
        unknown = []
        for f, direction in factors:
            base, n = f.as_base_exp()
            raw = self.restore(base)
            if not self._positive(raw):
                unknown.append(raw)
                if len(unknown) > 1 or n != 1:  # one factor takes its sign from the whole
                    raise Undecided(f"logarithm of a product with the factor {raw}")
            if isinstance(raw, exp):
                total += direction * n * self.ratio(raw.args[0])
            elif isinstance(raw, Pow) and base in self._roots:  # the logarithm of a root
                total += direction * n * raw.exp * self._log(raw.base)
            elif base != 1:
                total += direction * n * self._new(log(self.restore(expand(base))))
        return total

    def _positive(self, raw: Expr) -> bool:
        try:
            return sign_of(raw, self._signs) == POSITIVE
        except Undecided:
            return False

    # -- sums --------------------------------------------------------------------------

    def _sum(self, e: Sum) -> Expr:
        *inner, (index, lower, upper) = e.limits
        summand = e.func(e.function, *inner) if inner else e.function
        finite_range(lower, upper)
        if (lower, upper) in self._splits:
            at = self._splits[lower, upper]
            if at in (lower, upper + 1):
                raise Undecided(f"a split of {lower} .. {upper} at its end")
            if not (ordered(lower, at, self._signs) and ordered(at, upper + 1, self._signs)):
                raise Undecided(f"a split of {lower} .. {upper} before {at}: give their order")
            return self.ratio(e.func(summand, (index, lower, at - 1))) + self.ratio(
                e.func(summand, (index, at, upper))
            )
        j = _RUNNING[min(self._depth, len(_RUNNING) - 1)]
        if summand.has(KroneckerDelta, j):
            j = Dummy("j", integer=True)
        body = summand.xreplace({index: j})
        for let in self._lets:
            if (let.lower, let.upper) == (lower, upper):
                body = self._parametrised(body, let, j)
        if lower == upper:  # one term
            return self.ratio(substitute(body, {j: lower}))
        known, signs = self._known, self._signs
        if body.has(KroneckerDelta):
            # Which term a sum inside picks depends on where j is. That j is somewhere is known of
            # the terms only: nothing that is shown of them may be remembered outside.
            self._known, self._signs = dict(known), (*signs, Sign(j - lower), Sign(upper - j))
        self._depth += 1
        try:
            numerator, denominator = _over(self.ratio(body))
        finally:
            self._depth -= 1
            self._known, self._signs = known, signs
        free, bound = S.One, S.One
        for f in Mul.make_args(denominator):
            if self._depends(f, j):
                bound *= f
            else:
                free *= f
        total = S.Zero
        for term in Add.make_args(expand(numerator)):
            outside, inside = S.One, S.One
            for f in Mul.make_args(term):
                if self._depends(f, j):
                    inside *= f
                else:
                    outside *= f
            picked = self._picked(inside / bound, j, lower, upper)
            if picked is None:
                picked = self._sum_atom(inside / bound, j, lower, upper)
            total += outside * picked
        return total / free

    def _parametrised(self, body: Expr, let: Let, j: Symbol) -> Expr:
        """`body` with the entry at the index `j` replaced; derivatives are taken before."""
        entry, value = (e.xreplace({let.index: j}) for e in (let.entry, rename_bound(let.value)))
        body = differentiated(body, self._differentiable)
        moved = entry.free_symbols | value.free_symbols
        if any(v.free_symbols & moved for d in body.atoms(Derivative) for v in d.variables):
            raise Undecided(f"a derivative by what {let.entry} = {let.value} depends on")
        return substitute(body, {entry: value})

    def _depends(self, f: Expr, j: Symbol) -> bool:
        free = f.free_symbols
        return j in free or any(j in self._free[s] for s in free if s in self._free)

    def _picked(self, monomial: Expr, j: Symbol, lower: Expr, upper: Expr) -> Expr | None:
        """The one term that a factor KroneckerDelta(j, t) leaves of a sum over j.

        None if there is no such factor, or it is not known whether t is in the range.
        """
        for f in Mul.make_args(monomial):
            base = f.as_base_exp()[0]
            raw = self._atom.get(base, base) if base.is_Symbol else base
            if not isinstance(raw, KroneckerDelta) or j not in raw.args:
                continue
            (t,) = (a for a in raw.args if a != j) if len(set(raw.args)) == 2 else (None,)
            if t is None or j in t.free_symbols:
                continue
            if ordered(lower, t, self._signs) and ordered(t, upper, self._signs):
                rest = self.restore(monomial / f)
                return self.ratio(substitute(rest, {j: t}))
            if ordered(t, lower - 1, self._signs) or ordered(upper + 1, t, self._signs):
                return S.Zero
        return None

    def _sum_atom(self, monomial: Expr, j: Symbol, lower: Expr, upper: Expr) -> Expr:
        """`Sum(monomial, (j, lower, upper))` for a product of factors that all depend on j."""
        if not self._depends(monomial, j):
            # an empty range has no terms, however far its ends lie apart
            if ordered(lower, upper + 1, self._signs):
                return self.ratio(upper - lower + 1) * monomial
            return self._new(Sum(S.One, (_BOUND[0], lower, upper))) * monomial
        limits, factors = [(j, lower, upper)], []
        for f in Mul.make_args(monomial):
            base, n = f.as_base_exp()
            raw = self._atom.get(base, base) if base.is_Symbol else base
            sums = isinstance(raw, Sum) and n.is_Integer and n > 0
            if sums and _independent(raw, j):
                for _ in range(int(n)):
                    fresh = {limit[0]: Dummy("j", integer=True) for limit in raw.limits}
                    factors.append(raw.function.xreplace(fresh))
                    limits += [(fresh[i], a, b) for i, a, b in raw.limits]
            else:
                factors.append(self.restore(f))
        return self._lookup(_canonical_sum(reduce(mul, factors), tuple(limits)))

    def _lookup(self, atom: Sum) -> Expr:
        """The value a fact gives to this sum, or the symbol that stands for it."""
        arrays = {e.base for e in atom.atoms(Indexed)}
        names = [s for s in atom.free_symbols if isinstance(s, Symbol) and s.is_integer]
        names.sort(key=default_sort_key)
        for number, fact in enumerate(self._facts):
            if {e.base for e in fact.lhs.atoms(Indexed)} != arrays:
                continue
            for values in permutations(names, len(fact.for_all)):
                instance = dict(zip(fact.for_all, values, strict=True))
                key = (number, values)
                if key not in self._instances:
                    bare = NormalForm(self._signs)
                    bare._depth = self._depth  # the names may be those of sums around this one
                    self._instances[key] = bare.canonical(substitute(fact.lhs, instance))
                if self._instances[key] == atom:
                    if key in self._in_use:
                        raise Undecided(f"the fact about {fact.lhs} leads back to itself")
                    self._in_use.add(key)
                    try:
                        return self.ratio(substitute(fact.rhs, instance))
                    finally:
                        self._in_use.remove(key)
        return self._new(atom)


@lru_cache(maxsize=256)
def _form(given: tuple[Given, ...]) -> NormalForm:
    """One normal form for each set of hypotheses: steps of a law are about the same sums."""
    return NormalForm(given)


def _independent(e: Sum, j: Symbol) -> bool:
    """Whether no range of `e` depends on `j` or on another index of `e`."""
    indices = {j, *(limit[0] for limit in e.limits)}
    return not any(indices & limit[k].free_symbols for limit in e.limits for k in (1, 2))


@lru_cache(maxsize=8192)
def _over(e: Expr) -> tuple[Expr, Expr]:
    """Numerator and denominator of `e`, where it has one, over one divisor."""
    divided = any(r.q != 1 if r.is_Rational else r.exp.is_negative for r in e.atoms(Pow, Rational))
    return fraction(together(e)) if divided else (e, S.One)


@lru_cache(maxsize=8192)
def _canonical_sum(body: Expr, limits: tuple[tuple[Symbol, Expr, Expr], ...]) -> Sum:
    """A sum over one or more independent indices, under canonical names and order."""
    used = {s for s in body.atoms(Dummy) if s in _BOUND}
    start = max((_BOUND.index(s) + 1 for s in used), default=0)
    names = _BOUND[start : start + len(limits)]
    if len(names) < len(limits):
        raise Undecided(f"sums nested more than {len(_BOUND)} deep")
    orders = permutations(limits) if len(limits) <= _MAX_FLATTEN else [limits]
    candidates = []
    for order in orders:
        renamed = {index: name for (index, _, _), name in zip(order, names, strict=True)}
        bounds = [(renamed[i], a, b) for i, a, b in order]
        candidates.append(binding.Sum(body.xreplace(renamed), *bounds))
    return min(candidates, key=default_sort_key)


def decide_equal(lhs: Expr, rhs: Expr, given: tuple[Given, ...] = ()) -> bool:
    """Whether `lhs = rhs` is proved under `given`; `False` means undecided, never refuted."""
    if lhs.has(Float) or rhs.has(Float) or _rounded(given):
        return False  # rounded before the kernel sees them
    try:
        return _form(given).is_zero(lhs - rhs)
    except (Undecided, RecursionError):
        return False


def decide_sign(expr: Expr, given: tuple[Given, ...] = ()) -> str:
    """Sign of `expr` under `given`: one of the codes of `theory.laws.kernel.signs`."""
    if expr.has(Float) or _rounded(given):
        raise Undecided(f"floating-point numbers in {expr} or its hypotheses")
    if not real(expr, tuple(g for g in given if isinstance(g, Sign))):
        raise Undecided(f"{expr} may not be real, and only real numbers have an order")
    return _form(given).sign(expr)


def _rounded(given: tuple[Given, ...]) -> bool:
    return any(e.has(Float) for g in given for e in g.expressions())


@lru_cache(maxsize=1024)
def _canonical_sign(g: Sign) -> Sign | None:
    """The sign of the normal form, so that it is known under whatever names of bound indices."""
    if g.for_all or not g.expr.has(Sum):
        return None
    try:
        return Sign(_form(()).canonical(g.expr), strict=g.strict)
    except Undecided:
        return None
