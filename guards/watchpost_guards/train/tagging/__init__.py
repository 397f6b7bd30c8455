"""Training of the tagger: names, addresses, places, organisations and dates in running text."""
