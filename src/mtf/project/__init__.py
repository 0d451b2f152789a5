"""The project as a whole: beginning one of one's own, and what the machine has for it."""
