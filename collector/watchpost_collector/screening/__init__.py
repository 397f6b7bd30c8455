"""Guards over what has arrived: in the background, in a process of their own, told afterwards."""
