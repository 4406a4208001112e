"""The book's machinery: what chapters ask for, their tables, figures and claims, and how pages are made."""

import logging

# Where there are thousands of fonts, matplotlib says on stderr that it lists them the first time, and a chapter that
# writes to stderr is refused.
logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
