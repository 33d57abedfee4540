# Camward boot script: the whole environment of U-Boot, factory data on the boot flash.
#
# What it promises
# - Nobody can stop it: bootdelay is -2, and every path ends in a reset or in a verified system.
# - Nothing read from the disk is run or reaches bootargs: the boot record's values are only compared with literals or counted.
# - Only a FIT signed with one of the two boot keys starts (bootm checks; the keys are in the control device tree), and only
#   if its rollback-index is not below `ridx`.
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
    if virtio scan && virtio dev 0; then
        run cw_load
        run cw_choose
    fi
    echo camward-boot: nothing to boot

# --- the boot record -----------------------------------------------------------------------------------------------------

cw_clear:
    setenv gen
    setenv act
    setenv try
    setenv left
    setenv tries
    setenv ridx

cw_read1:
    run cw_clear
    virtio read @RECORD@ @RECORD_LBA_1@ 1 && env import -c @RECORD@ @RECORD_BYTES@ gen act try left tries ridx

cw_read2:
    run cw_clear
    virtio read @RECORD@ @RECORD_LBA_2@ 1 && env import -c @RECORD@ @RECORD_BYTES@ gen act try left tries ridx

# The newer valid copy wins, and the other one is written next.
# Both damaged: slot A, no trial, as a new camera; slot B when A is refused. `ridx` is then 0 until the agent, which keeps
# its own copy, writes it again.
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
            run cw_read1
            setenv cw_next 2
        fi
    elif test -z "${cw_gen2}"; then
        echo camward-boot: both boot record copies are damaged
        run cw_clear
        setenv gen 0x0
        setenv act a
        setenv try -
        setenv left 0
        setenv tries 0
        setenv ridx 0x0
    fi

# Writes the copy that was not chosen, so that a power cut in the middle leaves the other.
cw_save:
    setenv cw_saved 0
    setexpr gen ${gen} + 1
    setenv gen 0x${gen}
    env export -c -s @RECORD_BYTES@ @RECORD@ gen act try left tries ridx
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
    setenv cw_counted 0
    for cw_digit in 1 2 3 4 5 6 7 8 9; do
        if test "x${left}" = x${cw_digit}; then setenv cw_counted 1; fi
    done
    if test ${cw_counted} = 0; then setenv left 0; fi
    if test "x${try}" = xa; then
        setenv cw_slot a
        if test ${cw_counted} = 1; then run cw_trial; fi
    elif test "x${try}" = xb; then
        setenv cw_slot b
        if test ${cw_counted} = 1; then run cw_trial; fi
    else
        setenv try -
    fi

cw_trial:
    setexpr left ${left} - 1
    run cw_save
    if test ${cw_saved} = 1; then
        setenv cw_on_trial 1
        echo camward-boot: trial boot of slot ${cw_slot}, ${left} left
        run cw_start
        echo camward-boot: trial of slot ${cw_slot} ends
        setenv left 0
        run cw_save
        reset
    fi

# The committed slot counts its boots up; the agent sets the count back when the system is healthy. At nine the other slot
# gets its turn, and nine boots later this one again.
cw_choose_committed:
    setenv cw_on_trial 0
    setenv cw_slot a
    if test "x${act}" = xb; then setenv cw_slot b; fi
    setenv act ${cw_slot}
    setenv cw_counted 0
    for cw_digit in 0 1 2 3 4 5 6 7 8; do
        if test "x${tries}" = x${cw_digit}; then setenv cw_counted 1; fi
    done
    if test ${cw_counted} = 1; then
        setexpr tries ${tries} + 1
    else
        if test "x${tries}" = x9; then
            echo camward-boot: slot ${cw_slot} has not been healthy for nine boots
            run cw_swap
            setenv act ${cw_slot}
        fi
        setenv tries 1
    fi
    run cw_save
    run cw_start
    run cw_swap
    run cw_start

cw_swap:
    if test ${cw_slot} = a; then setenv cw_slot b; else setenv cw_slot a; fi

# --- start ---------------------------------------------------------------------------------------------------------------

# Returns only when the slot is refused.
cw_start:
    echo camward-boot: starting slot ${cw_slot}
    if test ${cw_slot} = b; then
        setenv bootargs @BOOTARGS@ camward.slot=b camward.trial=0
        if test ${cw_on_trial} = 1; then setenv bootargs @BOOTARGS@ camward.slot=b camward.trial=1; fi
        virtio read @FIT@ @FIT_LBA_B@ @FIT_SECTORS@ && run cw_verify
    else
        setenv bootargs @BOOTARGS@ camward.slot=a camward.trial=0
        if test ${cw_on_trial} = 1; then setenv bootargs @BOOTARGS@ camward.slot=a camward.trial=1; fi
        virtio read @FIT@ @FIT_LBA_A@ @FIT_SECTORS@ && run cw_verify
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
        bootm @FIT@#conf @FIT@#conf ${fdtcontroladdr}
    fi
