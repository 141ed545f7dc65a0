"""What a call costs, through genai-prices and the workspace's overlay."""
