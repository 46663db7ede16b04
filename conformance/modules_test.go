package conformance_test

import (
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/guest"
)

// TestEveryModuleCanBeImported imports all that a policy may name, each in turn.
func TestEveryModuleCanBeImported(t *testing.T) {
	modules, err := guest.Modules()
	if err != nil {
		t.Fatal(err)
	}
	s := session(t)
	for _, name := range modules {
		if r := run(t, s, "import "+name); r.Error != nil {
			t.Errorf("%s: %s", name, says(r))
		}
	}
}

// What an agent expects of the standard library: an expression and its repr().
var stdlib = []struct{ imports, code, want string }{
	{"fractions", `fractions.Fraction("0.1") + fractions.Fraction(1, 3), fractions.Fraction(3.14159).limit_denominator(100), round(fractions.Fraction(7, 2))`, `(Fraction(13, 30), Fraction(311, 99), 4)`},
	{"heapq", `heapq.nsmallest(2, [5, 1, 4]), list(heapq.merge([1, 4], [2, 3])), heapq.heappushpop([2, 3], 1)`, `([1, 4], [1, 2, 3, 4], 1)`},
	{"bisect", `bisect.bisect_left([1, 3, 3, 5], 3), bisect.bisect([1, 3, 3, 5], 3), bisect.bisect([(9, "a"), (5, "b")], -6, key=lambda p: -p[0])`, `(1, 3, 1)`},
	{"typing", `typing.get_args(dict[str, int]), typing.get_origin(typing.Optional[int]) is typing.Union, int | None, typing.Literal["a"]`,
		`((<class 'str'>, <class 'int'>), True, int | None, typing.Literal['a'])`},
	{"enum", `(C := enum.Enum("C", "RED GREEN"), C["RED"].value, C(2), list(C))[1:]`, `(1, <C.GREEN: 2>, [<C.RED: 1>, <C.GREEN: 2>])`},
	{"calendar", `calendar.monthrange(2024, 2), calendar.TextCalendar(6).formatweekheader(2), calendar.timegm((1970, 1, 2, 0, 0, 0))`, `((calendar.THURSDAY, 29), 'Su Mo Tu We Th Fr Sa', 86400)`},
	{"re", `re.match(r"(?P<y>\d{4})-(?P<m>\d\d)", "2025-06").groupdict(), re.sub(r"(?P<a>x+)", r"<\g<a>>", "axxa"), re.split(r"(?<=,)\s*", "a, b,c"), re.fullmatch(r"(?>a+)b", "aab")[0]`,
		`({'y': '2025', 'm': '06'}, 'a<xx>a', ['a,', 'b,', 'c'], 'aab')`},
	{"functools", `(f := functools.cache(lambda n: n if n < 2 else f(n - 1) + f(n - 2)))(90), f.cache_info().hits`, `(2880067194370816120, 88)`},
	{"operator", `operator.attrgetter("real")(3), operator.methodcaller("upper")("a"), operator.itemgetter(1, 0)("ab")`, `(3, 'A', ('b', 'a'))`},
	{"types", `types.SimpleNamespace(a=1, b=[2]), types.MappingProxyType({"k": 1})["k"]`, `(namespace(a=1, b=[2]), 1)`},
	{"textwrap", `textwrap.dedent("  a\n    b\n"), textwrap.indent("a\n\nb", "> "), textwrap.wrap("one two three", 7)`, `('a\n  b\n', '> a\n\n> b', ['one two', 'three'])`},
	{"abc", `(A := abc.ABCMeta("A", (), {"f": abc.abstractmethod(lambda self: 0)}), A.__abstractmethods__, A.register(int) is int, isinstance(5, A))[1:]`, `(frozenset({'f'}), True, True)`},
	{"decimal", `decimal.Decimal("2").sqrt(decimal.Context(prec=30)), decimal.Decimal("2.675").quantize(decimal.Decimal("0.01"), decimal.ROUND_HALF_EVEN)`, `(Decimal('1.41421356237309504880168872421'), Decimal('2.68'))`},
	{"datetime", `datetime.datetime.strptime("3 Mar 2025 04:05 +0130", "%d %b %Y %H:%M %z").isoformat(), datetime.datetime.now(datetime.UTC).date()`,
		`('2025-03-03T04:05:00+01:30', datetime.date(2025, 1, 1))`},
	{"zoneinfo, datetime", `datetime.datetime(2025, 7, 1, tzinfo=zoneinfo.ZoneInfo("America/St_Johns")).utcoffset(), datetime.datetime(2050, 7, 1, tzinfo=zoneinfo.ZoneInfo("Australia/Lord_Howe")).tzname()`,
		`(datetime.timedelta(days=-1, seconds=77400), '+1030')`},
	{"cmath", `cmath.sqrt(-1), round(cmath.phase(complex(-1, -0.0)), 4), cmath.polar(1j)[0]`, `(1j, -3.1416, 1.0)`},
	{"array, struct", `array.array("d", [1.5, 2]).tobytes().hex()[:8], memoryview(b"abcd")[1:3].tolist(), struct.calcsize("<qh")`, `('00000000', [98, 99], 10)`},
	{"configparser", `(c := configparser.ConfigParser(), c.read_string("[a]\nx = 1\ny = %(x)s2\n"), c["a"]["y"], c.getint("a", "x"))[2:]`, `('12', 1)`},
	{"plistlib", `plistlib.loads(plistlib.dumps({"a": [1, b"x", True]}))`, `{'a': [1, b'x', True]}`},
	{"html.parser", `(P := type("P", (html.parser.HTMLParser,), {"handle_starttag": lambda self, tag, attrs: self.got.append((tag, attrs)), "got": []}), P().feed("<a href=x&amp;y><BR/>"), P.got)[2]`,
		`[('a', [('href', 'x&y')]), ('br', [])]`},
	{"email, email.policy", `email.message_from_string("Subject: =?utf-8?q?=C3=A9?=\n\nbody", policy=email.policy.default)["subject"]`, `'é'`},
	{"zipfile, io", `(b := io.BytesIO(), z := zipfile.ZipFile(b, "w", zipfile.ZIP_DEFLATED), z.writestr("a.txt", "hi" * 50), z.close(), zipfile.ZipFile(b).read("a.txt")[:4])[4]`, `b'hihi'`},
	{"queue, time", `(t := time.monotonic(), q := queue.PriorityQueue(), q.put(2), q.put(1), q.get(), q.get(), q.empty())[4:]`, `(1, 2, True)`},
	{"contextvars", `(v := contextvars.ContextVar("v", default=1), contextvars.copy_context().run(v.set, 2), v.get())[2]`, `1`},
	{"timeit", `timeit.timeit("x = 1", number=3) >= 0`, `True`},
	{"tokenize, io", `[t.string for t in tokenize.generate_tokens(io.StringIO("x = 1").readline)][:3]`, `['x', '=', '1']`},
	{"dis", `[i.opname for i in dis.get_instructions(lambda: 1)][-1]`, `'RETURN_CONST'`},
	{"codecs", `"é".encode("utf-16-le"), b"\xe9".decode("latin-1"), "ü".encode("idna"), codecs.encode("abc", "rot13"), "€".encode("cp1252")`, `(b'\xe9\x00', 'é', b'xn--tda', 'nop', b'\x80')`},
	{"locale", `f"{1234567:n}", locale.localeconv()["decimal_point"]`, `('1234567', '.')`},
	{"optparse, getopt", `getopt.getopt(["-a", "1", "x"], "a:")`, `([('-a', '1')], ['x'])`},
	{"hashlib", `hashlib.sha256(b"abc").hexdigest()[:16]`, `'ba7816bf8f01cfea'`},
	{"hashlib", `hashlib.md5(b"").hexdigest()[:8], hashlib.sha1(b"").hexdigest()[:8], hashlib.blake2b(b"").hexdigest()[:8], hashlib.sha3_256(b"").hexdigest()[:8]`,
		`('d41d8cd9', 'da39a3ee', '786a02f7', 'a7ffc6f8')`},
	{"base64", `base64.b64encode(b"\x00\xff"), base64.b32decode("ME======"), base64.b85encode(b"abc")`, `(b'AP8=', b'a', b'VPaz')`},
	{"zlib", `zlib.decompress(zlib.compress(b"ab" * 1000)) == b"ab" * 1000, zlib.crc32(b"abc")`, `(True, 891568578)`},
	{"gzip", `gzip.decompress(gzip.compress(b"x", mtime=0))`, `b'x'`},
	{"uuid", `uuid.uuid5(uuid.NAMESPACE_DNS, "python.org")`, `UUID('886313e1-3b8a-5372-9b90-0c9aee199e5d')`},
	{"csv, io", `list(csv.DictReader(io.StringIO("a,b\n1,\"x,y\"\n")))`, `[{'a': '1', 'b': 'x,y'}]`},
	{"html", `html.escape("<a & 'b'>"), html.unescape("&eacute;&#x41;")`, `('&lt;a &amp; &#x27;b&#x27;&gt;', 'éA')`},
	{"xml.etree.ElementTree as ET", `[e.get("n") for e in ET.fromstring("<r><i n='1'/><i n='2'/></r>").iter("i")]`, `['1', '2']`},
	{"xml.dom.minidom as m", `m.parseString("<a><b/></a>").toxml()`, `'<?xml version="1.0" ?><a><b/></a>'`},
	{"difflib", `difflib.get_close_matches("appel", ["ape", "apple", "peach"]), round(difflib.SequenceMatcher(None, "abcd", "bcde").ratio(), 2)`, `(['apple', 'ape'], 0.75)`},
	{"struct", `struct.pack("<HIq", 1, 2, -3).hex(), struct.unpack(">f", b"\x40\x49\x0f\xdb")`, `('010002000000fdffffffffffffff', (3.1415927410125732,))`},
	{"statistics", `statistics.quantiles([1, 2, 3, 4, 5], n=4), statistics.mode("aab"), statistics.stdev([1, 2, 3, 4])`, `([1.5, 3.0, 4.5], 'a', 1.2909944487358056)`},
	{"string", `string.Template("$who owes ${what}").substitute(who="me", what="1 €")`, `'me owes 1 €'`},
	{"unicodedata", `unicodedata.normalize("NFD", "é").encode(), unicodedata.name("€"), "\N{GREEK SMALL LETTER ALPHA}"`, `(b'e\xcc\x81', 'EURO SIGN', 'α')`},
	{"zoneinfo", `len(zoneinfo.available_timezones()) > 500, zoneinfo.ZoneInfo("Europe/Paris").key`, `(True, 'Europe/Paris')`},
	{"time", `(t := time.monotonic(), time.sleep(3600), 3600 <= time.monotonic() - t < 3601)[2]`, `True`},
	{"time", `time.strftime("%Y-%m-%d", time.gmtime())`, `'2025-01-01'`},
	{"random", `random.Random(7).random(), random.Random("seed").sample(range(100), 3)`, `(0.32383276483316237, [17, 7, 30])`},
	{"itertools", `list(itertools.batched("abcde", 2))`, `[('a', 'b'), ('c', 'd'), ('e',)]`},
	{"copy", `(x := [1, [2]], copy.deepcopy(x)[1] is x[1], copy.copy(x)[1] is x[1])[1:]`, `(False, True)`},
	{"pprint", `pprint.pformat({"b": list(range(30)), "a": 1}, width=40, compact=True).count("\n")`, `4`},
	{"weakref, gc", `(lambda c: weakref.ref(c))(type("C", (), {})())(), gc.collect() >= 0`, `(None, True)`},
	{"graphlib", `[*graphlib.TopologicalSorter({"d": {"b", "c"}, "b": {"a"}, "c": {"a"}}).static_order()][::3]`, `['a', 'd']`},
	{"ipaddress", `ipaddress.ip_address("10.0.0.1") in ipaddress.ip_network("10.0.0.0/8")`, `True`},
	{"pathlib", `str(pathlib.PurePosixPath("/a/b/../c.txt").with_suffix(".md"))`, `'/a/b/../c.md'`},
	{"urllib.parse", `urllib.parse.urlsplit("https://u@h:1/p?q=1#f").port, urllib.parse.quote("a b/é")`, `(1, 'a%20b/%C3%A9')`},
	{"email.message", `(m := email.message.EmailMessage(), m.set_content("hi"), m.__setitem__("Subject", "é"))[0]["subject"]`, `'é'`},
	{"argparse", `vars((p := argparse.ArgumentParser(), p.add_argument("--n", type=int))[0].parse_args(["--n", "3"]))`, `{'n': 3}`},
	{"pickle", `pickle.loads(pickle.dumps({"a": (1, 2.5, {3})}))`, `{'a': (1, 2.5, {3})}`},
	{"tomllib", `tomllib.loads("a = [1, 2.5]\nb = 1979-05-27")`, `{'a': [1, 2.5], 'b': datetime.date(1979, 5, 27)}`},
	{"shlex, fnmatch, glob", `shlex.split("a 'b c'"), fnmatch.fnmatch("x.py", "*.py"), glob.escape("a*")`, `(['a', 'b c'], True, 'a[*]')`},
	{"secrets", `len(secrets.token_hex(8))`, `16`},
	{"hmac", `hmac.new(b"k", b"m", "sha256").hexdigest()[:8]`, `'b60090e3'`},
	{"ast", `ast.literal_eval("{'a': [1, (2,)]}"), ast.unparse(ast.parse("x=1+2"))`, `({'a': [1, (2,)]}, 'x = 1 + 2')`},
	{"inspect", `str(inspect.signature(lambda a, *, b=1: 0)), str(inspect.signature(tools.math.atan2))`, `('(a, *, b=1)', '(y, x, /)')`},
	{"os, sys", `sys.platform, sys.byteorder, os.sep, dict(os.environ), sys.argv`, `('wasi', 'little', '/', {}, [''])`},
	{"math", `int("9" * 9) ** 500 % 1000, len(str(10 ** 4000)), math.factorial(20), 2 ** 0.5`, `(1, 4001, 2432902008176640000, 1.4142135623730951)`},
	{"sys", `sys.set_int_max_str_digits(0), len(str(int("9" * 20000)))`, `(None, 20000)`},
	{"colorsys", `hash("postern") == hash("postern"), {"b", "a"} == {"a", "b"}`, `(True, True)`},
}

func TestStandardLibrary(t *testing.T) {
	for _, test := range stdlib {
		s := session(t)
		if r := run(t, s, "import "+test.imports+"\n"+test.code); says(r) != test.want {
			t.Errorf("%s: %s\n got %s\nwant %s", test.imports, test.code, says(r), test.want)
		}
		s.Close()
	}
}

// Programs whose output on stdout and stderr is what counts.
func TestStandardLibraryOutput(t *testing.T) {
	for name, test := range map[string]struct{ code, stdout, stderr string }{
		"asyncio": {`
import asyncio
async def work(n):
    await asyncio.sleep(n)
    return n
async def main():
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work(n)) for n in (3, 1, 2)]
    queue = asyncio.Queue()
    await queue.put("item")
    try:
        async with asyncio.timeout(1):
            await asyncio.sleep(60)
    except TimeoutError:
        print("timed out")
    print([t.result() for t in tasks], await queue.get(), await asyncio.to_thread(lambda: "thread"))
asyncio.run(main())
try:
    asyncio.run(asyncio.Event().wait())
except RuntimeError as error:
    print(str(error).split(":")[0])`, "timed out\n[3, 1, 2] item thread\ndeadlock\n", ""},
		"logging":  {"import logging\nlogging.warning('careful %d', 3)", "", "WARNING:root:careful 3\n"},
		"warnings": {"import warnings\nwarnings.warn('old')", "", "<exec 1>:2: UserWarning: old\n  warnings.warn('old')\n"},
		"unittest": {`
import unittest
class T(unittest.TestCase):
    def test_right(self): self.assertEqual(1 + 1, 2)
    def test_wrong(self): self.assertEqual(1, 2)
result = unittest.main(argv=["t"], exit=False).result
print(result.testsRun, len(result.failures))`, "2 1\n", "*AssertionError: 1 != 2*"},
		"doctest":  {"import doctest\ndef f():\n    '''\n    >>> 1 + 1\n    2\n    '''\nprint(doctest.testmod())", "TestResults(failed=0, attempted=1)\n", ""},
		"redirect": {"import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()) as out:\n    print('in')\nprint(repr(out.getvalue()))", "'in\\n'\n", ""},
		"buffer":   {"import sys\nsys.stdout.buffer.write(b'a\\xff\\n')\nprint('b', file=sys.stderr, end='', flush=True)\nsys.stdout.writelines(['c', 'd'])", "a\ufffd\ncd", "b"},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t, session(t), test.code)
			if r.Error != nil {
				t.Fatal(r.Error.Traceback)
			}
			if r.Stdout != test.stdout {
				t.Errorf("stdout %q, want %q", r.Stdout, test.stdout)
			}
			if part := strings.Trim(test.stderr, "*"); part != test.stderr {
				if !strings.Contains(r.Stderr, part) {
					t.Errorf("stderr %q, want %q in it", r.Stderr, part)
				}
			} else if r.Stderr != test.stderr {
				t.Errorf("stderr %q, want %q", r.Stderr, test.stderr)
			}
		})
	}
}

func TestWhatTheSandboxLacksSaysSo(t *testing.T) {
	for code, want := range map[string]string{
		"import threading\nthreading.Thread(target=print).start()":     "RuntimeError: can't start new thread",
		"import os\nos.listdir('/etc')":                                "FileNotFoundError",
		"import os\nopen_ = os.open('/x', os.O_CREAT | os.O_WRONLY)":   "FileNotFoundError",
		"import os\nos.mkdir('/x')":                                    "PermissionError",
		"input()":                                                      "EOFError: input() is not available",
		"breakpoint()":                                                 "RuntimeError: breakpoint() is not available",
		"import asyncio\nasyncio.run(asyncio.open_connection('x', 1))": "OSError: there are no sockets",
	} {
		if r := run(t, session(t), code); !strings.HasPrefix(says(r), want) {
			t.Errorf("%s: %s, want %s", code, says(r), want)
		}
	}
}
