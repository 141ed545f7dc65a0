# What both steps share: git that reads no configuration but what is said here. $1 is our folder, $2 the tree.
G=$1 ROOT=$2
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_ATTR_NOSYSTEM=1 GIT_OPTIONAL_LOCKS=0
export HOME=/nonexistent XDG_CONFIG_HOME=/nonexistent LC_ALL=C
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_OBJECT_DIRECTORY GIT_EXTERNAL_DIFF GIT_CONFIG_COUNT GIT_CONFIG_PARAMETERS
OWN=$G/own/.git
CONFIG="-c core.fsmonitor=false -c core.untrackedCache=false -c core.hooksPath=/dev/null -c core.excludesFile=/dev/null"
CONFIG="$CONFIG -c core.attributesFile=/dev/null -c core.autocrlf=false -c core.safecrlf=false -c core.fileMode=true"
CONFIG="$CONFIG -c core.symlinks=true -c core.splitIndex=false -c gc.auto=0 -c core.quotePath=true"
# The image's own list of files, if it has one: what is tracked is compared also where a rule would leave it out.
has_list() { [ -e "$ROOT/.git" ] && git $CONFIG --git-dir="$ROOT/.git" --work-tree="$ROOT" ls-files -z >/dev/null 2>&1; }
only_files() {
  xargs -0 -r sh -c 'for p; do if [ -f "$p" ] || [ -L "$p" ]; then printf "%s\0" "$p"; fi; done' sh
}
