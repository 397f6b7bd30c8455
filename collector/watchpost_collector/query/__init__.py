"""Reading: what may be asked of the store, by whom, and in which bounds."""
