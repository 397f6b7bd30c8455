"""What `watchpost doctor` looks at: this machine (machine.py) and a running watchpost (running.py).

Each check returns findings; none of them changes anything, and none knows how they are shown.
"""
