"""What http.get and its kin return."""

family = None  # the module of the granted family, set by the bootstrap
FIELDS = {"status", "url", "headers"}  # of every answer


class Headers(dict):
    """The headers of a response. Names are in lower case; asking for one does not depend on case."""

    def __getitem__(self, name):
        return super().__getitem__(name.lower() if isinstance(name, str) else name)

    def get(self, name, default=None):
        return super().get(name.lower() if isinstance(name, str) else name, default)

    def __contains__(self, name):
        return super().__contains__(name.lower() if isinstance(name, str) else name)


class Response(dict):
    """A response: ``r.status``, ``r.url``, ``r.headers``, ``r.text`` or ``r.content`` (bytes), ``r.json()``, ``r.ok``.

    It is a dict as well, ``r["status"]``, so that it can be returned.
    """

    def __init__(self, values):
        super().__init__(values)
        self["headers"] = Headers(values["headers"])

    @property
    def status(self):
        return self["status"]

    status_code = status

    @property
    def ok(self):
        return self["status"] < 400

    @property
    def url(self):
        return self["url"]

    @property
    def headers(self):
        return self["headers"]

    @property
    def content(self):
        """The body as bytes."""
        if "content" in self:
            return self["content"]
        return self["text"].encode("utf-8", "surrogatepass")

    @property
    def encoding(self):
        """The charset that the response names, else utf-8."""
        for part in self.headers.get("content-type", "").split(";")[1:]:
            name, _, value = part.partition("=")
            if name.strip().lower() == "charset":
                return value.strip().strip("\"'").lower() or "utf-8"
        return "utf-8"

    @property
    def text(self):
        """The body as str; what is wrong in its encoding becomes U+FFFD."""
        if "text" in self:
            return self["text"]
        try:
            return self["content"].decode(self.encoding, "replace")
        except (LookupError, ValueError):  # a charset that this Python lacks, or none of text
            return self["content"].decode("utf-8", "replace")

    def __missing__(self, name):
        if name in ("text", "content"):
            return getattr(self, name)
        raise KeyError(name)

    def json(self):
        """The body, which is JSON, as Python values."""
        from json import loads

        return loads(self.text.removeprefix("\ufeff"))

    def raise_for_status(self):
        """Raise http.HTTPError for a status of 400 and above."""
        if self.ok:
            return self
        error = family.HTTPError(f"{self.status} for {self.url}")
        error.response = self
        raise error

    def __repr__(self):
        return f"<Response {self.status} {self.url}>"


Result = Response
