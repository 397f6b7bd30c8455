"""What `alerts.py` is made of: the traffic it simulates and how it counts alarms."""
