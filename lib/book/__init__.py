"""What makes the book: what every chapter does; charts and notebooks to pages; pages that compute in a browser."""
