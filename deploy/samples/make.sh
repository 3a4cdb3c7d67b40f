#!/usr/bin/env bash
# Speaks the dialogues calls/*.txt into calls/*.ogg: 16 kHz Ogg/Opus, one voice for each party. With channels=2 the
# operator is on the left and the customer on the right, as a switchboard records them; with channels=1 they are mixed.
# A number in brackets after the speaker is the pause before the line in ms; a negative one interrupts.
# The files are committed; run this only after changing a text. Needs espeak-ng and ffmpeg (make setup).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/calls"
for tool in espeak-ng ffmpeg; do
  command -v $tool >/dev/null || { echo "make.sh: $tool is not installed; run make setup" >&2; exit 1; }
done

RATE=22050 # of espeak-ng's output
declare -A voice=([en:Operator]=en-us+f3 [en:Client]=en-gb+m3 [ru:Operator]=ru+f3 [ru:Client]=ru+m3)
declare -A side=([2:Operator]='stereo|c0=c0' [2:Client]='stereo|c1=c0' [1:Operator]='mono|c0=c0' [1:Client]='mono|c0=c0')

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Below 22 kbit/s Opus folds stereo into mono, and operator and customer become one: family 255 codes each
# channel by itself.
declare -A opus=([1]='-b:a 10k' [2]='-b:a 16k -mapping_family 255')

# speak TEXT-FILE: one recording, each line a sound of its own laid at its time.
speak() {
  local language channels n=0 at=300 speaker pause line wav length graph='' labels='' inputs=()
  read -r _ language channels <"$1"
  language=${language#language=} channels=${channels#channels=}
  while IFS= read -r line; do
    [[ $line =~ ^(Operator|Client)(\((-?[0-9]+)\))?:\ (.+)$ ]] || continue
    speaker=${BASH_REMATCH[1]} pause=${BASH_REMATCH[3]:-350} wav=$work/$n.wav
    espeak-ng -v "${voice[$language:$speaker]}" -s 165 -w "$wav" -- "${BASH_REMATCH[4]}"
    length=$((($(stat -c %s "$wav") - 44) / 2 * 1000 / RATE))
    at=$((at + pause))
    inputs+=(-i "$wav")
    graph+="[$n]pan=${side[$channels:$speaker]},adelay=$at:all=1[a$n];" labels+="[a$n]"
    at=$((at + length)) n=$((n + 1))
  done <"$1"
  # shellcheck disable=SC2086 # options, several words
  ffmpeg -nostdin -loglevel error -y "${inputs[@]}" \
    -filter_complex "$graph${labels}amix=inputs=$n:normalize=0,highpass=f=120,volume=0.7,apad=pad_dur=0.3" \
    -ar 16000 -c:a libopus -application voip ${opus[$channels]} -frame_duration 60 \
    -map_metadata -1 -fflags +bitexact -flags:a +bitexact "${1%.txt}.ogg"
}

for text in *.txt; do
  speak "$text"
  echo "${text%.txt}.ogg $(stat -c %s "${text%.txt}.ogg") bytes"
done
