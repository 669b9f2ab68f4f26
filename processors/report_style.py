"""How a report looks on a screen and on paper."""

STYLE = """
body{font:15px/1.45 system-ui,sans-serif;color:#222;max-width:900px;margin:24px auto;padding:0 16px}
h1{font-size:24px;margin:0 0 12px;overflow-wrap:anywhere}
h2{font-size:18px;margin:28px 0 8px;border-bottom:1px solid #ccc}
h3{font-size:15px;margin:16px 0 6px}
table{border-collapse:collapse;font-size:13px;margin:8px 0;max-width:100%}
th,td{border-bottom:1px solid #ddd;padding:3px 10px 3px 0;text-align:left;vertical-align:top;
overflow-wrap:anywhere}
th{white-space:nowrap}
svg{display:block;width:100%;max-width:720px;height:auto;font:13px system-ui,sans-serif}
.numbers{display:flex;gap:12px}
.number{border:1px solid #ccc;border-left:6px solid #999;padding:6px 14px}
.number b{font-size:22px}
.done{border-left-color:#2a8a3e}.failed{border-left-color:#c0392b}
.gallery{display:flex;flex-wrap:wrap;gap:12px}
figure{margin:0;width:280px;break-inside:avoid}
figure img{display:inline-block;width:138px;height:138px;object-fit:contain;background:#f3f3f3;
margin-right:2px;image-rendering:auto}
figcaption{font-size:12px;overflow-wrap:anywhere}
.gone{color:#777;font-size:12px}
@media print{
body{margin:0;max-width:none;font-size:12px}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}
h2,h3{break-after:avoid}tr,svg{break-inside:avoid}
}
"""
