"""What people and judges say of calls: scores given in the process, and links to give them by."""
