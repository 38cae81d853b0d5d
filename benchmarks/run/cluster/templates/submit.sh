#!/bin/bash
# Submits the units of a plan to SLURM, as job arrays. Arguments are passed to sbatch.
#
# The stages (fit, predict, score) follow each other: a stage begins when all jobs of the stage before have ended, failed
# ones too, so that a failed fit stops only what needs it. Submitting twice repeats no work.
set -euo pipefail

script={{ script | sh }}
throttle={{ throttle | sh }}

# An array has at most as many jobs as SLURM says; MAX_ARRAY_SIZE=N replaces that.
config=$(scontrol show config 2>/dev/null || true)
setting() {
    if [[ $config =~ $1[[:space:]]*=[[:space:]]*([0-9]+) ]]; then echo "${BASH_REMATCH[1]}"; else echo "$2"; fi
}
size=${MAX_ARRAY_SIZE:-$(setting MaxArraySize 1001)}
most=$(setting max_array_tasks "$size")
if ((most < size)); then size=$most; fi
if ((size < 1)); then
    echo "error: this cluster takes no job arrays (MaxArraySize = $size)" >&2
    exit 2
fi

after=
submitted=
submit() { # NAME FIRST COUNT OPTION...
    local name=$1 first=$2 end=$(($2 + $3)) needs=$after count job options
    shift 3
    after=
    while ((first < end)); do
        count=$((end - first < size ? end - first : size))
        options=(--parsable "--array=0-$((count - 1))$throttle")
        if [[ -n $needs ]]; then options+=("--dependency=afterany$needs"); fi
        if ! job=$(sbatch "${options[@]}" "$@" "$script" "$first"); then
            echo "error: sbatch did not take units $first to $((first + count - 1)); submitted so far:${submitted:- none}." \
                "Run this script again when it can; what is done or being done is not done twice" >&2
            exit 1
        fi
        job=${job%%;*}
        echo "$name: job $job does units $first to $((first + count - 1))"
        after+=:$job
        submitted+=" $job"
        if [[ -n $throttle ]]; then needs=:$job; fi # one array after the other, as the limit is that of an array
        first=$((first + count))
    done
}

{% for name, first, count in stages %}
submit {{ name }} {{ first }} {{ count }} "$@"
{% endfor %}
