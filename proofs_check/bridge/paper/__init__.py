"""The paper's real-model figures on the model at hand, each with the curve that theory predicts."""
