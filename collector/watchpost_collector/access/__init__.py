"""Who may do what: keys, projects and their rules, and the guard of origins."""
