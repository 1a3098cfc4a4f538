"""The test suite of the package ``ollama``, unchanged, against this package.

It is in that package's source archive, which pip fetches once; nothing of it is kept in this repository.
"""

import re
import subprocess
import sys
import tarfile

from conftest import REPOSITORY

VERSION = "0.6.3"
PASSED = 115


def suite():
    folder = REPOSITORY / "target/ollama-suite"
    archive = folder / f"ollama-{VERSION}.tar.gz"
    if not archive.exists():
        fetch = ["pip", "download", "--quiet", "--no-deps", "--no-binary", "ollama", "-d", folder, f"ollama=={VERSION}"]
        subprocess.run([sys.executable, "-m", *fetch], check=True)
    with tarfile.open(archive) as packed:
        tests = [entry for entry in packed.getmembers() if f"ollama-{VERSION}/tests/" in entry.name]
        packed.extractall(folder, members=tests)
    return folder / f"ollama-{VERSION}/tests"


def test_it_passes_unchanged():
    # A folder without the rest of that archive, so that `import ollama` cannot find the package beside its tests.
    options = ["-q", "-p", "towline.ollama_compat", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir=."]
    result = subprocess.run([sys.executable, "-m", "pytest", *options, "."], cwd=suite(), capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
    assert int(re.search(r"(\d+) passed", result.stdout)[1]) == PASSED, result.stdout
