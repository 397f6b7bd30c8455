"""The embedded models: one small encoder read once per text, and the guards that are its heads."""
