#!/bin/sh
# completion.sh - a completion file for one tool, made from its own option table.
#     completion.sh bash|zsh|fish PATH/TO/TOOL
shell=$1 tool=$2 name=$(basename "$2")
"$tool" --help-options | awk -F '\t' -v shell="$shell" -v tool="$name" '
    function words(s) { gsub(/\|/, " ", s); return s }
    function plain(s) { gsub(/[\047\[\]:]/, " ", s); return s }
    { name[NR] = $1; letter[NR] = $2; arg[NR] = $3; help[NR] = plain($4); choice[NR] = ($3 ~ /\|/) }
    END {
        if (shell == "bash") {
            all = ""
            for (i = 1; i <= NR; i++) all = all " --" name[i] (letter[i] == "" ? "" : " -" letter[i])
            fn = "_" tool; gsub(/-/, "_", fn)
            printf "%s() {\n    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n    case $prev in\n", fn
            for (i = 1; i <= NR; i++) {
                pat = "--" name[i] (letter[i] == "" ? "" : "|-" letter[i])
                if (choice[i]) printf "    %s) COMPREPLY=($(compgen -W \"%s\" -- \"$cur\")); return ;;\n", pat, words(arg[i])
                else if (arg[i] == "DIR") printf "    %s) COMPREPLY=($(compgen -d -- \"$cur\")); return ;;\n", pat
            }
            printf "    esac\n    case $cur in\n    -*) COMPREPLY=($(compgen -W \"%s\" -- \"$cur\")) ;;\n    *) COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n    esac\n}\ncomplete -o filenames -F %s %s\n", substr(all, 2), fn, tool
        } else if (shell == "zsh") {
            printf "#compdef %s\n_arguments \\\n", tool
            for (i = 1; i <= NR; i++) {
                what = arg[i] == "" ? "" : ":" (choice[i] ? "value" : tolower(arg[i])) ":" (choice[i] ? "(" words(arg[i]) ")" : arg[i] == "DIR" ? "_files -/" : "_files")
                if (letter[i] != "") printf "  \047-%s[%s]%s\047 \\\n", letter[i], help[i], what
                printf "  \047--%s[%s]%s\047 \\\n", name[i], help[i], what
            }
            printf "  \047*:file:_files\047\n"
        } else
            for (i = 1; i <= NR; i++)
                printf "complete -c %s -l %s%s%s -d \047%s\047\n", tool, name[i], letter[i] == "" ? "" : " -s " letter[i],
                    arg[i] == "" ? "" : choice[i] ? " -x -a \047" words(arg[i]) "\047" : " -r", help[i]
    }'
