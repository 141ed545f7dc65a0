# Which of the changed paths do the clean tree's ignore rules leave out? From $1/paths to $1/ignored and to the output,
# ended by NUL. Every path begins with ./, for a path may begin with a colon, which git takes for a pattern.
set -eu
. "$1/patch_env.sh"
command -v git >/dev/null || exit 3
cd "$ROOT"
git $CONFIG init -q --template= "$G/own"
mkdir -p "$OWN/info"
# Before every attribute in the tree: content is compared byte by byte.
echo '* -text -eol -ident -filter -working-tree-encoding !diff !merge' >"$OWN/info/attributes"
code=0
if has_list; then
  git $CONFIG --git-dir="$ROOT/.git" --work-tree="$ROOT" check-ignore -z --stdin <"$G/paths" >"$G/ignored" || code=$?
else
  git $CONFIG --git-dir="$OWN" --work-tree="$ROOT" check-ignore --no-index -z --stdin <"$G/paths" >"$G/maybe" || code=$?
  # Without a list everything in the image is tracked.
  xargs -0 -r sh -c 'for p; do if [ ! -e "$p" ] && [ ! -L "$p" ]; then printf "%s\0" "$p"; fi; done' sh \
    <"$G/maybe" >"$G/ignored"
fi
if [ "$code" -gt 1 ]; then
  : >"$G/ignored"
  exit 4
fi
cat "$G/ignored"
