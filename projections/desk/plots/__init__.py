"""What commands draw of a replay: letters for whoever watches a terminal, and files."""
