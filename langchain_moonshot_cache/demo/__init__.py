"""Two examples that show what a cached prefix saves, against the stand-in server.

The command ``moonshot-cache demo`` prints what :func:`run` returns.
"""

from langchain_moonshot_cache.demo.figures import Bill, Call, Example, Lane, Report
from langchain_moonshot_cache.demo.run import run

__all__ = ["Bill", "Call", "Example", "Lane", "Report", "run"]
