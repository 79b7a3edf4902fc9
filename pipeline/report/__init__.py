"""What a study says at its end: tables, and the answer on one page.

Steps: `summary`, the measures of all layouts and all measures; `runtimes`, where the time went;
`explorer`, every image before and after, linked; `report`, the page (`page.build_page`, whose HTML
is `templates/page.html`).
"""
