from pathlib import Path

WANTED = """\
path,requests,errors,slowest_ms
/cart,3,1,2950
/help,2,0,7
/pay,3,2,1203
"""
found = Path("/app/report.csv").read_text().replace("\r\n", "\n")
assert found.strip() == WANTED.strip(), found
