// Paper shows what is folded away on the screen; without scripts only the folding works.
const all = () => document.querySelectorAll('details');
const toggle = document.getElementById('toggle');
toggle.addEventListener('click', () => {
  const open = toggle.dataset.open !== 'yes';
  all().forEach(d => { d.open = open; });
  toggle.dataset.open = open ? 'yes' : 'no';
  toggle.textContent = open ? 'Fold everything' : 'Unfold everything';
});
let before = [];
addEventListener('beforeprint', () => { before = [...all()].map(d => d.open);
  all().forEach(d => { d.open = true; }); });
addEventListener('afterprint', () => { [...all()].forEach((d, i) => { d.open = before[i]; }); });
const reveal = () => { const t = document.getElementById(location.hash.slice(1));
  for (let d = t; d; d = d.parentElement) if (d.tagName === 'DETAILS') d.open = true;
  if (t) t.scrollIntoView(); };
addEventListener('hashchange', reveal); reveal();
