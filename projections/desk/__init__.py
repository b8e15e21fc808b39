"""The audit desk: pages for people, rendered on the server; `pages` lists them."""
