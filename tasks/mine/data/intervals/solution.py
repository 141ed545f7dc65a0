import sys


def main() -> None:
    lines = sys.stdin.read().split("\n")
    shifts = sorted(tuple(line.split()) for line in lines[1 : int(lines[0]) + 1])
    merged: list[list[str]] = []
    for start, end in shifts:
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    for start, end in merged:
        print(start, end)


main()
