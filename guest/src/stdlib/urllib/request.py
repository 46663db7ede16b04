"""The names of URL requests, for the modules of the standard library that mention them. There is no network in the sandbox."""


def urlopen(*args, **kwargs):
    raise OSError("there is no network in this sandbox")


urlretrieve = Request = build_opener = urlopen
