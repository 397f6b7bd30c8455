"""What `queries.py` is made of: the traffic it generates and the questions it asks."""
