"""Runs the examples of a page: run_python_readme.py PAGE ADDRESS

Blocks that begin with ```pycon are one session; what they print must be what
the page says ("..." stands for anything). ADDRESS is the server's.
"""

import doctest
import re
import sys

BLOCK = re.compile(r"^```pycon\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def main(page, address):
    with open(page, encoding="utf-8") as file:
        text = file.read()
    examples = "\n".join(BLOCK.findall(text)).replace("localhost:50051",
                                                      address)
    session = doctest.DocTestParser().get_doctest(examples, {}, page, page, 0)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    runner.run(session)
    print(f"{runner.tries} examples, {runner.failures} failures")
    sys.exit(runner.tries == 0 or runner.failures > 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
