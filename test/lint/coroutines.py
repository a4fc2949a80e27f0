#!/usr/bin/env python3
"""A cheap lint for the traps that coroutines meet on gcc 12 (CONTRIBUTING.md, "Coroutines").

    coroutines.py SOURCE_ROOT    checks lib/, daemon/ and test/, prints one line a finding, exits 1 if there was one
    coroutines.py --self-test    checks examples of each rule

It knows no C++ grammar: comments and literals are blanked, then brackets are matched. The rules:
  braces    no `{` of a value and no lambda in a full expression with co_await: gcc destroys such temporaries twice
  ternary   no `?` in a full expression with co_await
  macro     no co_await inside REQUIRE(…), CHECK(…) and the like: Catch2 evaluates their argument more than once
  lambda    no lambda with captures that is itself a coroutine: the captures die before it resumes
  default   no class-type default argument on a function that returns a Task
"""
import pathlib
import re
import sys

BLANK = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<d>[^(\s]*)\(.*?\)(?P=d)"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-zA-Z])\'(?:\\.|[^\'\\\n])+\'', re.S)
AWAIT = re.compile(r"\bco_await\b")
COROUTINE = re.compile(r"\bco_(?:await|return|yield)\b")
MACRO = re.compile(r"\b(?:REQUIRE|CHECK|REQUIRE_FALSE|CHECK_FALSE|CHECKED_IF|CHECK_THAT|REQUIRE_THAT|INFO|CAPTURE)\s*\(")
OPENS = {")": "(", "]": "[", "}": "{"}
# What stands before a `{` that opens a block, and not a value.
BLOCK = re.compile(
    r"(?:^|[;{}:)]|\b(?:else|do|try|const|noexcept|override|final|mutable)"
    r"|->\s*[\w:]+(?:\s*<[^;{}()]*>)?[\s&*]*|\b(?:namespace|struct|class|union|enum|extern)\b[^;{}()=]*)\s*\Z")


def blank(text):
    """The text with comments and literals as spaces; lines stay where they are."""
    def spaces(match):
        kept = re.sub(r"[^\n]", " ", match.group())
        return '"' + kept[1:-1] + '"' if match.group()[0] == '"' else kept
    return BLANK.sub(spaces, text)


def match_brackets(text):
    """Both ways: the index of an opening bracket -> that of its closing one, and back."""
    pairs, stack = {}, []
    for i, c in enumerate(text):
        if c in "([{":
            stack.append(i)
        elif c in OPENS and stack and text[stack[-1]] == OPENS[c]:
            j = stack.pop()
            pairs[i], pairs[j] = j, i
    return pairs


def is_block(text, brace):
    """Does this `{` open a block?"""
    line_start = max(text.rfind(c, 0, brace) for c in ";{}") + 1
    return bool(BLOCK.search(text[line_start:brace])) or not text[line_start:brace].strip()


def full_expression(text, pairs, at):
    """First and past-the-last index of the full expression around `at`."""
    i = at
    while i > 0:
        i -= 1
        c = text[i]
        if c == ";" or (c == "{" and is_block(text, i)):
            break
        if c == "}" and i in pairs:
            if is_block(text, pairs[i]) and not is_lambda_body(text, pairs, pairs[i]):
                break
            i = pairs[i]
        elif c in ")]" and i in pairs:
            i = pairs[i]
        elif c == "(" and re.search(r"\b(?:if|while|switch|for)(?:\s+constexpr)?\s*\Z", text[:i][-40:]):
            return i + 1, expression_end(text, pairs, at)
    return i + 1, expression_end(text, pairs, at)


def expression_end(text, pairs, at):
    i = at
    while i < len(text):
        c = text[i]
        if c == ";":
            return i
        if c in "([{" and i in pairs:
            if c == "{" and is_block(text, i) and not is_lambda_body(text, pairs, i):
                return i
            i = pairs[i]
        elif c == ")" and i in pairs and re.search(r"\b(?:if|while|switch|for)(?:\s+constexpr)?\s*\Z", text[:pairs[i]][-40:]):
            return i
        i += 1
    return i


def is_lambda_body(text, pairs, brace):
    return lambda_capture(text, pairs, brace) is not None


def lambda_capture(text, pairs, brace):
    """The text between the [ ] of the lambda whose body opens at `brace`, or None."""
    head = text[max(0, brace - 400):brace]
    found = re.search(r"(?:\)|\])[^;{}()\[\]]*\Z", head)
    if not found:
        return None
    i = brace - len(head) + found.start()
    if text[i] == ")" and i in pairs:
        i = len(text[:pairs[i]].rstrip()) - 1
        if i >= 0 and text[i] == ">":      # a template head is passed over by hand
            while i > 0 and text[i] != "]" and text[i] not in ";{}":
                i -= 1
    if i < 0 or text[i] != "]" or i not in pairs:
        return None
    before = text[:pairs[i]].rstrip()
    if before and (before[-1].isalnum() or before[-1] in "_)]") and not before.endswith("return"):
        return None                        # a subscript or an array, not a lambda
    return text[pairs[i] + 1:i].strip()


def own_code(text, pairs, start, end):
    """The code between start and end without the bodies of lambdas in it."""
    out, i = [], start
    while i < end:
        if text[i] == "{" and i in pairs and i != start and is_lambda_body(text, pairs, i):
            i = pairs[i]
        out.append(text[i])
        i += 1
    return "".join(out)


def find_default_arguments(text, pairs):
    for match in re.finditer(r"\bTask<[^;{}()]*>\s+[\w:~]+\s*\(", text):
        opening = match.end() - 1
        if opening not in pairs:
            continue
        for default in re.finditer(r"([\w:<>]+)[&\s]+\w+\s*=\s*([^,]*)", text[opening + 1:pairs[opening]]):
            kind, value = default.groups()
            if "{" in value or re.search(r"[A-Z]\w*\s*\(", value) or (value.startswith('"') and kind == "std::string"):
                yield opening, f"default: `{default.group().strip()}` is of class type"


def check(source):
    """Pairs of line number and finding."""
    text = blank(source)
    pairs = match_brackets(text)
    found = list(find_default_arguments(text, pairs))
    for match in MACRO.finditer(text):
        opening = match.end() - 1
        if opening in pairs and AWAIT.search(text, opening, pairs[opening]):
            found.append((match.start(), "macro: await into a variable first"))
    for brace in (i for i, c in enumerate(text) if c == "{" and i in pairs):
        capture = lambda_capture(text, pairs, brace)
        if capture and COROUTINE.search(own_code(text, pairs, brace, pairs[brace])):
            found.append((brace, f"lambda: [{capture}] captures and is a coroutine"))
    for match in AWAIT.finditer(text):
        start, end = full_expression(text, pairs, match.start())
        expression = text[start:end]
        if "{" in expression:
            found.append((match.start(), "braces: build the value on a line of its own"))
        if "?" in expression:
            found.append((match.start(), "ternary: use if and else around the await"))
    return [(text.count("\n", 0, at) + 1, what) for at, what in sorted(found)]


EXAMPLES = [  # (code, the rule it breaks or None)
    ("Task<> f() { co_await g(); }", None),
    ("Task<> f() { auto r = co_await g(std::move(x)); if (!r) { co_return; } }", None),
    ("Task<> f() { if (auto r = co_await g(); !r) { co_return; } else { x = {1, 2}; } }", None),
    ("Task<> f() { while (co_await g()) { h({1}); } }", None),
    ("Task<Result<int>> f() const { co_return co_await g(); }", None),
    ("Task<> f() { Reply r{1}; co_await g(std::move(r)); }", None),
    ("Task<> f() { std::vector<int> v = {1, 2}; co_await g(v); }", None),
    ("Task<> f() { co_await g(\"{?}\"); /* { */ }", None),
    ("Task<> f() { co_await g(); }\nint h(int a) { return a ? 1 : 2; }", None),
    ("Task<> f() { for (auto& x : list) { co_await g(x); } }", None),
    ("Task<> f() { switch (a) { case 1: { co_await g(); break; } default: break; } }", None),
    ("auto f = [](int a) -> Task<> { co_await g(a); };", None),
    ("run([](Loop& l) -> Task<Result<void>> { auto r = co_await l.go(); co_return r; });", None),
    ("Task<> f() { auto k = [&x] { x = 1; }; k(); co_await g(); }", None),
    ("Task<int> f(int a = 3, bool b = true, Kind k = Kind::one, std::string_view s = \"x\");", None),
    ("Task<> f() { a[i] = co_await g(); }", None),
    ("Task<> f() { co_await g(Reply{1}); }", "braces"),
    ("Task<> f() { co_await g({1, 2}); }", "braces"),
    ("Task<> f() { h(T{1}, co_await g()); }", "braces"),
    ("Task<> f() { if (co_await g(T{1})) { x(); } }", "braces"),
    ("Task<> f() { co_await g([x] { return x; }); }", "braces"),
    ("Task<> f() { co_return h(co_await g(\n  T{1})); }", "braces"),
    ("Task<> f() { auto v = T{co_await g()}; }", "braces"),
    ("Task<> f() { auto v = a ? co_await g() : 1; }", "ternary"),
    ("Task<> f() { co_await g(a ? b : c); }", "ternary"),
    ("Task<> f() { REQUIRE(co_await g()); }", "macro"),
    ("Task<> f() { CHECK(\n  (co_await g()).has_value()); }", "macro"),
    ("auto f = [&x](int a) -> Task<> { co_await g(a); };", "lambda"),
    ("auto f = [this]() -> Task<> { co_return; };", "lambda"),
    ("Task<int> f(Options o = {});", "default"),
    ("Task<int> f(int a, Options o = Options());", "default"),
    ("Task<int> f(std::string s = \"x\");", "default"),
]


def self_test():
    failed = 0
    for code, wanted in EXAMPLES:
        rules = sorted({what.split(":")[0] for _, what in check(code)})
        if rules != ([wanted] if wanted else []):
            failed += 1
            print(f"self-test: expected {wanted}, found {rules}: {code}")
    print(f"coroutines.py: {len(EXAMPLES) - failed} of {len(EXAMPLES)} examples judged right")
    return failed


def main():
    if sys.argv[1:] == ["--self-test"]:
        sys.exit(1 if self_test() else 0)
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    findings = files = 0
    for file in sorted(p for d in ("lib", "daemon", "test") for p in (root / d).rglob("*") if p.suffix in (".hpp", ".cpp")):
        source = file.read_text(errors="replace")
        if "co_" not in source and "Task<" not in source:
            continue
        files += 1
        for line, what in check(source):
            findings += 1
            print(f"{file.relative_to(root)}:{line}: {what}")
    print(f"coroutines.py: {files} files with coroutines, {findings} findings")
    sys.exit(1 if findings or not files else 0)


if __name__ == "__main__":
    main()
