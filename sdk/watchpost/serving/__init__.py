"""What the ports of this house share: keys, origins, small answers, patience, measured values."""
