# Camward boot script: the whole environment of U-Boot, factory data on the boot flash.
#
# What it promises
# - Nobody can stop it: bootdelay is -2, and every path ends in a reset or in a verified system.
# - Nothing read from the disk is run or reaches bootargs: the boot record's values are only compared with literals or counted.
# - Only a FIT signed with one of the two boot keys starts (bootm checks; the keys are in the control device tree), and only
#   if its rollback-index is not below `ridx`.
# - Power cuts are told from failures: only a reset that keeps the power, and that the agent has not announced, is one.
#
# Form: `name=value` is a variable. `name:` begins a script; its lines follow, indented. @NAME@ is filled in at build time from
# the model's layout. The boot record is described in agent/formats/boot_record.py.

bootdelay=-2
# Set explicitly because bootm skips hash checks when it is "n".
verify=yes

bootcmd:
    run cw_main
    reset

cw_main:
    run cw_look
    if virtio scan && virtio dev 0; then
        run cw_load
        run cw_count
        run cw_choose
    fi
    echo camward-boot: nothing to boot

# --- how the last boot ended ---------------------------------------------------------------------------------------------

# A word of memory that no program uses (`/reserved-memory` in the control device tree) says which kind of system was started.
# Memory keeps it over a reset and loses it with the power. It is taken back at once, so that a reset of this script's own
# counts for nothing. On a real board the SoC's register of reset causes says the same.
cw_look:
    setenv cw_ended silent
    setexpr.l cw_word *@MARKER@
    if test "x${cw_word}" = x63770074; then setenv cw_ended trial; fi
    if test "x${cw_word}" = x63770063; then setenv cw_ended committed; fi
    mw.l @MARKER@ 0

# A boot counts as a silent end from its start on (`left`, `tries`); what turns out not to be one is taken back here. If the
# agent has not announced the reset, it was a panic or a watchdog: a recorded failure (`fails`, `resets`). A trial that has been
# committed in the same boot is none any more.
cw_count:
    run cw_put_right
    if test ${cw_ended} = trial && test "x${try}" = x-; then setenv cw_ended committed; fi
    if test ${cw_ended} = trial; then
        if test ${left} != a; then setexpr left ${left} + 1; fi
        if test ${said} = 0 && test ${fails} != 3; then
            setexpr fails ${fails} + 1
            echo camward-boot: the trial was reset without a word, failure ${fails}
        fi
    elif test ${cw_ended} = committed; then
        if test ${tries} != 0; then setexpr tries ${tries} - 1; fi
        if test ${said} = 0 && test ${resets} != 3; then
            setexpr resets ${resets} + 1
            echo camward-boot: the committed system was reset without a word, reset ${resets}
        fi
    fi
    setenv said 0

# Whatever the record says, from here on `left` and `tries` are 0..9 or a, `fails` and `resets` 0..3, `said` 0 or 1.
cw_put_right:
    setenv cw_left 0
    setenv cw_tries 0
    for cw_digit in 1 2 3 4 5 6 7 8 9 a; do
        if test "x${left}" = x${cw_digit}; then setenv cw_left ${cw_digit}; fi
        if test "x${tries}" = x${cw_digit}; then setenv cw_tries ${cw_digit}; fi
    done
    setenv left ${cw_left}
    setenv tries ${cw_tries}
    setenv cw_fails 3
    setenv cw_resets 0
    for cw_digit in 0 1 2; do
        if test "x${fails}" = x${cw_digit}; then setenv cw_fails ${cw_digit}; fi
        if test "x${resets}" = x${cw_digit}; then setenv cw_resets ${cw_digit}; fi
    done
    for cw_digit in 3 4 5 6 7 8 9 a; do
        if test "x${resets}" = x${cw_digit}; then setenv cw_resets 3; fi
    done
    setenv fails ${cw_fails}
    setenv resets ${cw_resets}
    if test "x${said}" != x1; then setenv said 0; fi
    if test "x${try}" != xa && test "x${try}" != xb; then setenv try -; fi
    if test "x${gave}" != xr && test "x${gave}" != xs; then setenv gave -; fi

# --- the boot record -----------------------------------------------------------------------------------------------------

cw_clear:
    setenv gen
    setenv act
    setenv try
    setenv left
    setenv fails
    setenv tries
    setenv resets
    setenv gave
    setenv said
    setenv ridx

cw_read1:
    run cw_clear
    virtio read @RECORD@ @RECORD_LBA_1@ 1 && env import -c @RECORD@ @RECORD_BYTES@ gen act try left fails tries resets gave said ridx

cw_read2:
    run cw_clear
    virtio read @RECORD@ @RECORD_LBA_2@ 1 && env import -c @RECORD@ @RECORD_BYTES@ gen act try left fails tries resets gave said ridx

# The newer valid copy wins, and the other one is written next.
# Both damaged: slot A, no trial, as a new camera; slot B when A is refused. `ridx` is then 0 until the agent, which keeps
# its own copy, writes it again. A copy that was read once and cannot be read again leaves nothing here, and `test` takes an
# empty `ridx` for 0: the script begins anew.
cw_load:
    run cw_read1
    setenv cw_gen1 ${gen}
    run cw_read2
    setenv cw_gen2 ${gen}
    setenv cw_next 1
    if test -n "${cw_gen1}"; then
        if test -n "${cw_gen2}" && test "${cw_gen2}" -gt "${cw_gen1}"; then
            setenv cw_next 1
        else
            run cw_read1 || reset
            setenv cw_next 2
        fi
    elif test -z "${cw_gen2}"; then
        echo camward-boot: both boot record copies are damaged
        run cw_clear
        setenv gen 0x0
        setenv act a
        setenv try -
        setenv left 0
        setenv fails 0
        setenv tries 0
        setenv resets 0
        setenv gave -
        setenv said 0
        setenv ridx 0x0
    fi

# Writes the copy that was not chosen, so that a power cut in the middle leaves the other.
cw_save:
    setenv cw_saved 0
    setexpr gen ${gen} + 1
    setenv gen 0x${gen}
    env export -c -s @RECORD_BYTES@ @RECORD@ gen act try left fails tries resets gave said ridx
    if test ${cw_next} = 1; then
        virtio write @RECORD@ @RECORD_LBA_1@ 1 && setenv cw_saved 1 && setenv cw_next 2
    else
        virtio write @RECORD@ @RECORD_LBA_2@ 1 && setenv cw_saved 1 && setenv cw_next 1
    fi

# --- which slot ----------------------------------------------------------------------------------------------------------

cw_choose:
    run cw_choose_trial
    run cw_choose_committed

# A trial counts down before it starts, so that a system that dies at once still ends its trial. Without a saved count there
# is no trial.
cw_choose_trial:
    if test "x${try}" = xa; then
        setenv cw_slot a
        run cw_trial
    elif test "x${try}" = xb; then
        setenv cw_slot b
        run cw_trial
    fi

cw_trial:
    if test ${left} != 0 && test ${fails} != 3; then
        setexpr left ${left} - 1
        run cw_save
        if test ${cw_saved} = 1; then
            setenv cw_on_trial 1
            echo camward-boot: trial boot of slot ${cw_slot}, ${fails} failures, ${left} left
            run cw_start
            echo camward-boot: trial of slot ${cw_slot} ends
            setenv try -
            setenv left 0
            setenv fails 0
            run cw_save
            reset
        fi
    fi

# The agent forgets the silent ends of a committed slot when the system is healthy, and its resets after a long quiet time.
# A slot that has used up either gives way to the other, which may use up its own, and so on in turn.
cw_choose_committed:
    setenv cw_on_trial 0
    setenv cw_slot a
    if test "x${act}" = xb; then setenv cw_slot b; fi
    if test ${resets} = 3; then
        echo camward-boot: slot ${cw_slot} was reset three times without a word
        setenv gave r
        run cw_give_way
    elif test ${tries} = a; then
        echo camward-boot: slot ${cw_slot} has not been healthy for ten boots
        setenv gave s
        run cw_give_way
    fi
    setenv act ${cw_slot}
    setexpr tries ${tries} + 1
    run cw_save
    run cw_start
    run cw_swap
    run cw_start

cw_give_way:
    run cw_swap
    setenv tries 0
    setenv resets 0

cw_swap:
    if test ${cw_slot} = a; then setenv cw_slot b; else setenv cw_slot a; fi

# --- start ---------------------------------------------------------------------------------------------------------------

# Returns only when the slot is refused.
cw_start:
    echo camward-boot: starting slot ${cw_slot}
    if test ${cw_slot} = b; then
        setenv bootargs @BOOTARGS@ camward.slot=b camward.trial=0
        if test ${cw_on_trial} = 1; then setenv bootargs @BOOTARGS@ camward.slot=b camward.trial=1; fi
        virtio read @FIT@ @FIT_LBA_B@ @FIT_SECTORS_B@ && run cw_verify
    else
        setenv bootargs @BOOTARGS@ camward.slot=a camward.trial=0
        if test ${cw_on_trial} = 1; then setenv bootargs @BOOTARGS@ camward.slot=a camward.trial=1; fi
        virtio read @FIT@ @FIT_LBA_A@ @FIT_SECTORS_A@ && run cw_verify
    fi
    echo camward-boot: slot ${cw_slot} refused

# The rollback index is compared before bootm checks the signature over it: a wrong order would gain nothing, since a FIT with
# a forged index fails the signature.
cw_verify:
    setenv cw_epoch
    if fdt addr @FIT@; then fdt get value cw_epoch / rollback-index; fi
    fdt addr ${fdtcontroladdr}
    if test -z "${cw_epoch}"; then
        echo camward-boot: no signed system in slot ${cw_slot}
    elif test "${cw_epoch}" -lt "${ridx}"; then
        echo camward-boot: slot ${cw_slot} is below the rollback index
    else
        mw.l @MARKER@ 63770063
        if test ${cw_on_trial} = 1; then mw.l @MARKER@ 63770074; fi
        bootm @FIT@#conf @FIT@#conf ${fdtcontroladdr}
        mw.l @MARKER@ 0
    fi
