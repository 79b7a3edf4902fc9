"""The explorer: every image before and after, linked, in one page that opens from disk.

`page.build_explorer` writes it; what the browser runs is in `web`. `table` gives the same to other
programs.
"""

MOST_POINTS = 200_000  # images on a page; of more a stratified part
