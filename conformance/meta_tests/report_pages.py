"""A page of a report as a test reads it."""

import html.parser
from collections import Counter


class Outline(html.parser.HTMLParser):
    """The elements of a page, their attributes, and the text outside of script and style."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.parts, self.stack, self.ids = Counter(), [], [], [], []
        self.feed(page)
        self.close()
        self.text = "".join(self.parts)

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.stack.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_endtag(self, tag):
        while self.stack and self.stack.pop() != tag:
            pass

    def handle_data(self, data):
        if not {"script", "style"} & set(self.stack):
            self.parts.append(data)
