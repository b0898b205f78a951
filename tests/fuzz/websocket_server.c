/*
 * Fuzzing what a WebSocket server is sent: libFuzzer's target.
 */
#include "fuzz/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_frames(data, size, true);
}
