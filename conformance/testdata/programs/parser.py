"""A small language: lexer, recursive-descent parser, tree-walking evaluator with closures."""
import re
from dataclasses import dataclass
from typing import Any

TOKEN = re.compile(
    r"""
    (?P<space>\s+|\#[^\n]*)
  | (?P<number>\d+(?:\.\d+)?)
  | (?P<string>"(?:\\.|[^"\\])*")
  | (?P<name>[A-Za-z_]\w*)
  | (?P<op>==|!=|<=|>=|->|[-+*/%<>=(){}\[\],;!])
    """,
    re.VERBOSE,
)
KEYWORDS = {"let", "fn", "if", "else", "while", "return", "true", "false", "nil", "and", "or", "print"}


class LanguageError(Exception):
    def __init__(self, message, position):
        super().__init__(f"{message} at {position}")


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    position: int


def tokenize(source):
    position = 0
    while position < len(source):
        match = TOKEN.match(source, position)
        if not match:
            raise LanguageError(f"unexpected {source[position]!r}", position)
        kind = match.lastgroup
        if kind == "name" and match[0] in KEYWORDS:
            kind = "keyword"
        if kind != "space":
            yield Token(kind, match[0], position)
        position = match.end()
    yield Token("end", "", position)


# Nodes are tuples: (kind, *parts). A parser method returns one.
class Parser:
    LEVELS = [("or",), ("and",), ("==", "!="), ("<", "<=", ">", ">="), ("+", "-"), ("*", "/", "%")]

    def __init__(self, source):
        self.tokens = list(tokenize(source))
        self.at = 0

    @property
    def token(self):
        return self.tokens[self.at]

    def accept(self, *texts):
        if self.token.text in texts and self.token.kind in ("op", "keyword"):
            self.at += 1
            return self.tokens[self.at - 1].text
        return None

    def expect(self, text):
        if not self.accept(text):
            raise LanguageError(f"expected {text!r}, not {self.token.text or 'the end'!r}", self.token.position)

    def name(self):
        if self.token.kind != "name":
            raise LanguageError(f"expected a name, not {self.token.text!r}", self.token.position)
        self.at += 1
        return self.tokens[self.at - 1].text

    def program(self):
        statements = []
        while self.token.kind != "end":
            statements.append(self.statement())
        return ("block", statements)

    def block(self):
        self.expect("{")
        statements = []
        while not self.accept("}"):
            statements.append(self.statement())
        return ("block", statements)

    def statement(self):
        if self.accept("let"):
            name = self.name()
            self.expect("=")
            node = ("let", name, self.expression())
        elif self.accept("print"):
            node = ("print", self.expression())
        elif self.accept("return"):
            node = ("return", None if self.token.text == ";" else self.expression())
        elif self.accept("while"):
            return ("while", self.expression(), self.block())
        elif self.accept("if"):
            return self.conditional()
        else:
            node = self.expression()
            if self.accept("="):
                if node[0] not in ("name", "index"):
                    raise LanguageError("cannot assign to that", self.token.position)
                node = ("assign", node, self.expression())
        self.expect(";")
        return node

    def conditional(self):
        condition, then, otherwise = self.expression(), self.block(), None
        if self.accept("else"):
            otherwise = self.conditional() if self.accept("if") else self.block()
        return ("if", condition, then, otherwise)

    def expression(self, level=0):
        if level == len(self.LEVELS):
            return self.unary()
        node = self.expression(level + 1)
        while operator := self.accept(*self.LEVELS[level]):
            node = ("binary", operator, node, self.expression(level + 1))
        return node

    def unary(self):
        if operator := self.accept("-", "!"):
            return ("unary", operator, self.unary())
        return self.postfix(self.primary())

    def postfix(self, node):
        while True:
            if self.accept("("):
                node = ("call", node, self.sequence(")"))
            elif self.accept("["):
                node = ("index", node, self.expression())
                self.expect("]")
            else:
                return node

    def sequence(self, close):
        items = []
        while not self.accept(close):
            if items:
                self.expect(",")
            items.append(self.expression())
        return items

    def primary(self):
        token = self.token
        if token.kind in ("number", "string", "name"):
            self.at += 1
            match token.kind:
                case "number":
                    return ("value", float(token.text) if "." in token.text else int(token.text))
                case "string":
                    return ("value", re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), token.text[1:-1]))
                case _:
                    return ("name", token.text)
        if word := self.accept("true", "false", "nil"):
            return ("value", {"true": True, "false": False, "nil": None}[word])
        if self.accept("("):
            node = self.expression()
            self.expect(")")
            return node
        if self.accept("["):
            return ("list", self.sequence("]"))
        if self.accept("fn"):
            self.expect("(")
            parameters = []
            while not self.accept(")"):
                if parameters:
                    self.expect(",")
                parameters.append(self.name())
            return ("function", parameters, self.block())
        raise LanguageError(f"unexpected {token.text or 'end'!r}", token.position)


class Return(Exception):
    def __init__(self, value):
        self.value = value


@dataclass
class Scope:
    names: dict[str, Any]
    parent: "Scope | None" = None

    def find(self, name):
        scope = self
        while scope and name not in scope.names:
            scope = scope.parent
        if scope is None:
            raise NameError(f"{name} is not defined")
        return scope.names


OPERATORS = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b, "%": lambda a, b: a % b,
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b, "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}


def evaluate(node, scope):
    match node:
        case ("value", value):
            return value
        case ("name", name):
            return scope.find(name)[name]
        case ("list", items):
            return [evaluate(item, scope) for item in items]
        case ("block", statements):
            inner = Scope({}, scope)
            for statement in statements:
                evaluate(statement, inner)
        case ("let", name, value):
            scope.names[name] = evaluate(value, scope)
        case ("assign", ("name", name), value):
            scope.find(name)[name] = evaluate(value, scope)
        case ("assign", ("index", target, index), value):
            evaluate(target, scope)[evaluate(index, scope)] = evaluate(value, scope)
        case ("print", value):
            print(evaluate(value, scope))
        case ("return", value):
            raise Return(value and evaluate(value, scope))
        case ("while", condition, body):
            while evaluate(condition, scope):
                evaluate(body, scope)
        case ("if", condition, then, otherwise):
            if evaluate(condition, scope):
                evaluate(then, scope)
            elif otherwise:
                evaluate(otherwise, scope)
        case ("binary", "and", left, right):
            return evaluate(left, scope) and evaluate(right, scope)
        case ("binary", "or", left, right):
            return evaluate(left, scope) or evaluate(right, scope)
        case ("binary", operator, left, right):
            return OPERATORS[operator](evaluate(left, scope), evaluate(right, scope))
        case ("unary", "-", operand):
            return -evaluate(operand, scope)
        case ("unary", "!", operand):
            return not evaluate(operand, scope)
        case ("index", target, index):
            return evaluate(target, scope)[evaluate(index, scope)]
        case ("function", parameters, body):

            def function(*arguments):
                if len(arguments) != len(parameters):
                    raise TypeError(f"{len(parameters)} arguments wanted, {len(arguments)} given")
                try:
                    evaluate(body, Scope(dict(zip(parameters, arguments)), scope))
                except Return as result:
                    return result.value

            return function
        case ("call", callee, arguments):
            return evaluate(callee, scope)(*(evaluate(argument, scope) for argument in arguments))
        case _:
            raise AssertionError(node[0])


def run(source):
    try:
        evaluate(Parser(source).program(), Scope({"len": len, "str": str, "push": lambda xs, x: xs.append(x)}))
    except (LanguageError, NameError, TypeError, ZeroDivisionError, IndexError) as error:
        print(f"error: {error}")


run("""
let fib = fn(n) { if n < 2 { return n; } return fib(n - 1) + fib(n - 2); };
let i = 0;
while i < 12 { print str(i) + ": " + str(fib(i)); i = i + 4; }
let counter = fn() { let n = 0; return fn() { n = n + 1; return n; }; };
let tick = counter(); tick(); tick();
print "ticks: " + str(tick());
let xs = [5, 3, [8, 1]];
push(xs, "end"); xs[0] = xs[2][0] * -2 + 0.5;   # assignment to an element
print xs;
if xs[1] == 4 { print "no"; } else if !(xs[1] != 3) and true { print "quoted \\"yes\\"\\n--"; } else { print nil; }
let compose = fn(f, g) { return fn(x) { return f(g(x)); }; };
print compose(fn(x) { return x * x; }, fn(x) { return x + 1; })(6) % 10;
""")
for bad in ("let = 3;", "print 1 +;", "print missing;", "print 1 / 0;", "let f = fn(a) { return a; }; f(1, 2);", "print [1][9];", "print $;", "1 = 2;", "if true { print 1;"):
    run(bad)
print(len(list(tokenize("a->b # c\n"))), Parser("1 + 2 * -3;").program())
