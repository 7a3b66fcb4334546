# shellcheck shell=sh disable=SC2015,SC2016
# Set-up shared by the other scripts. POSIX sh, sourced from the top of the repository.
# What is done already is not done again. Messages go to stderr.

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin # apt's own helpers live there
export PATH

say() {
    printf '%s\n' "set-up: $*" >&2
}

fail() {
    say "$*"
    exit 3
}

# --- the system's packages -------------------------------------------------------------------------------------------

# Whether `as_root` can work: already root, or sudo that needs no password or has someone to type it.
can_be_root() {
    [ "$(id -u)" -eq 0 ] || { command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; }
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

apt_get() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" </dev/null >&2
}

apt_update() {
    apt_get update || say "apt-get update reported errors; going on with the package lists there are"
}

# can_apt WHAT: says that WHAT will be installed, and through sudo where that is so.
can_apt() {
    command -v apt-get >/dev/null && can_be_root || return 1
    if [ "$(id -u)" -eq 0 ]; then
        say "installing $1 with apt-get"
    else
        say "installing $1 with apt-get through sudo; it may ask for your password"
    fi
}

# --- Python ----------------------------------------------------------------------------------------------------------

# find_python NAME...: the first that is new enough and can make a virtual environment.
find_python() {
    for candidate in "$@"; do
        if "$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

# setup_venv FOLDER PYTHON: a virtual environment that works, made anew where the one there does not.
setup_venv() {
    if ! "$1/bin/python" -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        say "making a virtual environment in $1 with $2"
        "$2" -m venv --clear "$1" || fail "$2 could not make a virtual environment in $1"
    fi
}

# setup_package FOLDER EXTRA: the package, editable, and what it and the extra ('' for none) need, in the environment.
# A stamp remembers what was asked for, so that a second call does nothing; `test` covers the plain package.
setup_package() {
    folder=$1
    extra=$2
    want=$({
        pwd
        cat pyproject.toml
        grep '^__version__' nvmphys/__init__.py
    } | cksum)
    for stamp in "$folder/ready${extra:+-$extra}" "$folder/ready-test"; do
        if [ "$(cat "$stamp" 2>/dev/null)" = "$want" ]; then
            return
        fi
    done
    say "installing nvmphys and what it needs into $folder (a minute or two)"
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check -e ".${extra:+[$extra]}" >&2 ||
        fail "pip could not install nvmphys into $folder: see the lines above"
    printf '%s\n' "$want" >"$folder/ready${extra:+-$extra}"
}

# setup_python EXTRA: Python, the virtual environment .venv and the package.
setup_python() {
    pythons='python3 python3.13 python3.12 python3.11'
    # shellcheck disable=SC2086
    if ! python=$(find_python $pythons); then
        if can_apt "python3 and python3-venv"; then
            apt_update
            apt_get install python3 python3-venv || say "apt-get could not install python3 and python3-venv"
        fi
        python=$(find_python $pythons) || fail "nvmphys needs Python 3.11 or newer with venv and found none." \
            "Install: Debian 12, Ubuntu 24.04 and later 'apt-get install python3 python3-venv';" \
            "macOS 'brew install python'; conda 'conda install -c conda-forge python'."
    fi
    setup_venv .venv "$python"
    setup_package .venv "$1"
}

# --- ngspice ---------------------------------------------------------------------------------------------------------

ngspice=${NVMPHYS_NGSPICE:-ngspice}

have_ngspice() {
    command -v "$ngspice" >/dev/null
}

# Whether ngspice solves with KLU: asked of the program itself, since builds of one version differ.
have_klu() {
    deck=$(mktemp) || return 1
    printf '%s\n' 'KLU probe' 'v1 a 0 1' 'r1 a 0 1k' '.options klu' '.op' '.end' >"$deck"
    "$ngspice" -b "$deck" 2>&1 </dev/null | grep 'Using KLU' >/dev/null
    found=$?
    rm -f "$deck"
    return $found
}

# Without ngspice everything but the SPICE checks works, so its absence is said and not an error.
setup_ngspice() {
    if have_ngspice; then
        return
    fi
    if can_apt ngspice; then
        apt_update
        apt_get install ngspice libngspice0 || say "apt-get could not install ngspice"
    elif command -v brew >/dev/null && [ "$(id -u)" -ne 0 ]; then
        say "installing ngspice with brew"
        brew install --quiet ngspice >&2 || say "brew could not install ngspice"
    fi
    have_ngspice || say "no ngspice: checks against SPICE will not be made." \
        "Install: Debian/Ubuntu 'apt-get install ngspice'; macOS 'brew install ngspice';" \
        "conda 'conda install -c conda-forge ngspice'."
}

# Debian's backports carry an ngspice with KLU and OSDI where the release itself does not.
setup_ngspice_backports() {
    if have_ngspice && have_klu; then
        return
    fi
    # shellcheck source=/dev/null
    codename=$(. /etc/os-release 2>/dev/null && [ "${ID-}" = debian ] && printf '%s' "${VERSION_CODENAME-}") ||
        codename=
    if [ -z "$codename" ]; then
        say "--with-backports is for Debian: going on with the ngspice that is here"
    elif can_apt "ngspice from $codename-backports"; then
        apt_update
        add_backports "$codename" && apt_get install -t "$codename-backports" ngspice libngspice0 ||
            say "apt-get could not install ngspice from $codename-backports"
    else
        say "no ngspice with KLU, and no right to install one: as root, run this again with --with-backports"
    fi
    setup_ngspice
}

# mirror_of ORIGIN SUITE: where apt takes a suite from, whatever the form of its sources; nothing where it has none.
mirror_of() {
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Component: main' \
        "Origin: $1" "Codename: $2" | head -n 1
}

# add_backports CODENAME: the backports beside the release's own suite, from the same mirror.
add_backports() {
    suite=$1-backports
    [ -z "$(mirror_of 'Debian Backports' "$suite")" ] || return 0
    mirror=$(mirror_of Debian "$1")
    [ "$mirror" ] || return 1
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    [ -r "$keyring" ] && options="[signed-by=$keyring] " || options=
    list=/etc/apt/sources.list.d/$suite.list
    say "adding $suite to apt's sources ($list)"
    printf '%s\n' "deb $options$mirror $suite main" | as_root tee "$list" >/dev/null
    apt_update
    if [ -z "$(mirror_of 'Debian Backports' "$suite")" ]; then
        say "the mirror has no $suite: taking it out again"
        as_root rm -f "$list"
        return 1
    fi
}
