"""What a call cost: its tokens where nobody told them, its model's name, and the price of both."""
