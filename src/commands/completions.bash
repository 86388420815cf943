_scaffold() {
    local IFS=$'\013' words=() word index last=0 typed
    # For bash `=` and `:` are words of their own, which the program never sees: here they are put together again.
    for ((index = 0; index <= COMP_CWORD; index++)); do
        word=${COMP_WORDS[index]}
        # The word that is being typed, without its quotes.
        [[ $index == "$COMP_CWORD" && $word != [=:]* ]] && word=$2
        if [[ $index -gt 0 && ($word == [=:]* || ${words[last]} == *[=:]) ]]; then
            words[last]+=$word
        else
            words+=("$word")
            last=$((${#words[@]} - 1))
        fi
    done
    COMPREPLY=($(SCAFFOLD_COMPLETE=bash _CLAP_IFS="$IFS" _CLAP_COMPLETE_INDEX="$last" \
        scaffold -- "${words[@]}" 2> /dev/null))
    # What stands before the last `=` or `:` stays.
    typed=${words[last]}
    COMPREPLY=("${COMPREPLY[@]#"${typed%"${typed##*[=:]}"}"}")
    # A directory goes on.
    [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == */ ]] && compopt -o nospace 2> /dev/null
}
complete -o bashdefault -o nosort -F _scaffold scaffold 2> /dev/null ||
    complete -o bashdefault -F _scaffold scaffold
