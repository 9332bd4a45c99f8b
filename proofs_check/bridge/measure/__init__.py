"""What the theory predicts and what is measured at one site: final norm, last block, any block."""
