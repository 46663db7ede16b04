# Reads a small web site: the first page, then what it links to. Links may lead anywhere; the policy says where this code may follow.
import http
from html.parser import HTMLParser

import postern


class Page(HTMLParser):
    """The title and the links of a page."""

    def __init__(self, text):
        super().__init__()
        self.title, self.links, self._in_title = "", [], False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self._in_title = tag == "title"
        if tag == "a":
            self.links.append(dict(attributes)["href"])

    def handle_endtag(self, tag):
        self._in_title = False

    def handle_data(self, data):
        if self._in_title:
            self.title += data


start = "http://127.0.0.1:8000/"
titles = {}
for link in Page(http.get(start).text).links:
    url = link if "://" in link else start + link
    try:
        page = http.get(url)
        page.raise_for_status()
    except postern.Denied as denied:
        print(f"{link}: not permitted: {denied.reason}")
    except http.HTTPError as error:
        print(f"{link}: {error.response.status}")
    else:
        if page.headers["Content-Type"].startswith("text/html"):
            titles[link] = Page(page.text).title
        elif page.headers["Content-Type"].startswith("application/json"):
            titles[link] = page.json()["title"]
        else:
            titles[link] = page.text.splitlines()[0]
        print(f"{link}: {titles[link]}")

titles
