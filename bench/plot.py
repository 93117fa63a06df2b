"""A bar chart as SVG, readable on light and dark pages."""

from collections.abc import Mapping
from html import escape
from typing import Final

_BAR: Final = 22
_STEP: Final = 30
_LEFT: Final = 330
_WIDTH: Final = 900
_RIGHT: Final = 110
_STYLE: Final = """
text { font: 14px system-ui, sans-serif; fill: #444 }
.title { font-weight: 600 } .name { text-anchor: end }
rect { fill: #9aa5b1 } rect.ours { fill: #0b7285 }
@media (prefers-color-scheme: dark) { text { fill: #ccc } rect.ours { fill: #3bc9db } }
"""


def bars(title: str, groups: Mapping[str, Mapping[str, float]]) -> str:
    """A group of bars per input; each group has its own scale."""
    lines, y = [f'<text x="10" y="22" class="title">{escape(title)}</text>'], 50
    for group, values in groups.items():
        lines.append(f'<text x="10" y="{y}" class="title">{escape(group)}</text>')
        y += 12
        most = max(values.values(), default=1.0)
        for name, value in values.items():
            width = max(1.0, (_WIDTH - _LEFT - _RIGHT) * value / most)
            kind = ' class="ours"' if name.startswith("Penstock") else ""
            middle = y + _BAR * 0.72
            lines += [
                f'<text x="{_LEFT - 8}" y="{middle:.0f}" class="name">{escape(name)}</text>',
                f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR}" rx="3"{kind}/>',
                f'<text x="{_LEFT + width + 8:.0f}" y="{middle:.0f}">{value:,.0f}</text>',
            ]
            y += _STEP
        y += 24
    body = "\n".join(lines)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" role="img" '
        f'aria-label="{escape(title)}">\n<style>{_STYLE}</style>\n{body}\n</svg>\n'
    )
