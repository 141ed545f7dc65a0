# The patch from the clean tree to $1/new, over the paths in $1/touched and $1/folders, into $1/patch and to the
# output.
set -eu
. "$1/patch_env.sh"
cd "$ROOT"
export GIT_LITERAL_PATHSPECS=1
if has_list; then
  GIT_DIR=$ROOT/.git GIT_WORK_TREE=$ROOT xargs -0 -r git $CONFIG ls-files -z -c -o --exclude-standard -- <"$G/touched" >"$G/listed"
else
  GIT_DIR=$OWN GIT_WORK_TREE=$ROOT xargs -0 -r git $CONFIG ls-files -z -o -- <"$G/touched" >"$G/listed"
fi
# A folder of the work counts where it took the place of a file.
cat "$G/listed" "$G/folders" | only_files >"$G/before.list"
own() { git $CONFIG --git-dir="$OWN" "$@"; }
rm -f "$OWN/index"
own --work-tree="$ROOT" update-index -z --add --stdin <"$G/before.list"
before=$(own write-tree)
rm -f "$OWN/index"
if [ -d "$G/new" ]; then
  cd "$G/new"
  own --work-tree="$G/new" update-index -z --add --stdin <"$G/new.list"
fi
after=$(own write-tree)
own diff-tree -r -p --binary --full-index --no-renames --no-color --no-ext-diff --no-textconv \
  --src-prefix=a/ --dst-prefix=b/ "$before" "$after" >"$G/patch"
cat "$G/patch"
