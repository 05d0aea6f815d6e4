# install.bats - make install, uninstall, deps; completions from the option tables
load helper

@test "install puts tools, pages and completions under DESTDIR PREFIX, and uninstall removes them" {
    cd "$ROOT"
    run -0 make -s install DESTDIR="$TMP/dest" PREFIX=/usr
    for t in tools/*.c; do
        b=$(basename "$t" .c)
        [ -x "$TMP/dest/usr/bin/$b" ]
        [ -f "$TMP/dest/usr/share/man/man1/$b.1" ]
        [ -s "$TMP/dest/usr/share/bash-completion/completions/$b" ]
        [ -s "$TMP/dest/usr/share/zsh/site-functions/_$b" ]
        [ -s "$TMP/dest/usr/share/fish/vendor_completions.d/$b.fish" ]
    done
    [ -f "$TMP/dest/usr/share/man/man5/mbert-stream.5" ]
    [ -f "$TMP/dest/usr/share/man/man7/mbert-tools.7" ]
    run -0 make -s uninstall DESTDIR="$TMP/dest" PREFIX=/usr
    [ -z "$(find "$TMP/dest" -type f)" ]
}

@test "an installed tool runs from anywhere" {
    cd "$ROOT"
    make -s install DESTDIR="$TMP/dest" PREFIX=/usr
    cd /
    run -0 "$TMP/dest/usr/bin/pack-batch" --version
    [[ $output == "pack-batch (mbert-tools) "* ]]
}

@test "an installed tool finds the GPU module, where nvcc made it" {
    cd "$ROOT"
    [ -r "$BUILD/bin/mbert-cuda.so" ] || skip "no nvcc: the GPU module was not built"
    make -s install DESTDIR="$TMP/dest" PREFIX=/usr
    [ -x "$TMP/dest/usr/lib/mbert-tools/mbert-cuda.so" ]
    run --separate-stderr "$TMP/dest/usr/bin/mbert-fwd" -m tests/golden/encoder/v5-mean --device cuda --print-config
    [ "$status" = 0 ] || { [ "$status" = 4 ] && [[ $stderr == *"--device cuda: no NVIDIA "* ]]; } || { echo "$stderr"; return 1; }
}

@test "bash completion offers every option and the choices of an option" {
    cd "$ROOT"
    need_command bash
    sh man/completion.sh bash "$BUILD/bin/mbert-fwd" > "$TMP/c"
    run -0 bash -c '. "$1"; COMP_WORDS=(mbert-fwd --em); COMP_CWORD=1; _mbert_fwd; echo "${COMPREPLY[@]}"' _ "$TMP/c"
    [ "$output" = --emit ]
    run -0 bash -c '. "$1"; COMP_WORDS=(mbert-fwd --emit ""); COMP_CWORD=2; _mbert_fwd; echo "${COMPREPLY[@]}"' _ "$TMP/c"
    [ "$output" = "pooled hidden layers logits" ]
}

@test "deps succeeds without apt when all is present" {
    cd "$ROOT"
    need_command dpkg-query
    make -s deps PACKAGES=dpkg
    mkdir "$TMP/bin"
    printf '#!/bin/sh\nexit 99\n' > "$TMP/bin/apt-get"
    chmod +x "$TMP/bin/apt-get"
    PATH="$TMP/bin:$PATH" run -0 make -s deps PACKAGES=dpkg
}

@test "deps says the line when it may not install" {
    cd "$ROOT"
    need_command dpkg-query
    mkdir "$TMP/bin"
    printf '#!/bin/sh\necho 1000\n' > "$TMP/bin/id"
    chmod +x "$TMP/bin/id"
    PATH="$TMP/bin:$PATH" run -2 make -s deps PACKAGES=no-such-package-at-all
    [[ $output == *"apt-get install no-such-package-at-all"* ]]
}
