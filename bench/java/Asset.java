import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.kafka.common.utils.Bytes;

/** What a task knows of an asset: its tags, its windows, its newest event time. */
final class Asset {
    private static final int MOST_ENCODINGS = 64;

    final byte[] key;
    /** Names of the tags, each followed by a line feed; a tag's cell is its place here. */
    byte[] names = new byte[0];
    long newest = Long.MIN_VALUE;
    /** Starts of the windows kept, ascending. */
    final List<Long> kept = new ArrayList<>();
    /** How many of them are emitted; they come first. */
    int emitted = 0;
    private final List<String> tags = new ArrayList<>();
    /** Encodings of `tags` seen, and the cell of each of their tags. */
    private final List<byte[]> encodings = new ArrayList<>();
    private final List<int[]> cells = new ArrayList<>();

    Asset(byte[] key) {
        this.key = key;
    }

    static Asset restored(byte[] key, byte[] names) {
        Asset asset = new Asset(key);
        for (String name : new String(names, StandardCharsets.UTF_8).split("\n")) {
            asset.add(name);
        }
        return asset;
    }

    int size() {
        return tags.size();
    }

    /** Key of a window's entry: of all tags, or of one. */
    Bytes entry(long start, int cell) {
        byte[] bytes = Arrays.copyOf(key, key.length + 10);
        Moments.LONG.set(bytes, key.length, start);
        bytes[key.length + 8] = (byte) (cell >> 8);
        bytes[key.length + 9] = (byte) cell;
        return Bytes.wrap(bytes);
    }

    /** The asset's key of an entry's key. */
    static Bytes owner(byte[] entry) {
        return Bytes.wrap(Arrays.copyOf(entry, entry.length - 10));
    }

    /** Note that a window is kept; one that the watermark has passed counts as emitted. */
    void keep(long start) {
        int place = kept.size();
        while (place > 0 && kept.get(place - 1) >= start) {
            if (kept.get(--place) == start) {
                return;
            }
        }
        kept.add(place, start);
        if (place < emitted) {
            emitted++;
        }
    }

    /** The cell of each of an event's tags. */
    int[] cells(SensorEvent event) {
        for (int i = 0; i < encodings.size(); i++) {
            if (event.skipTags(encodings.get(i))) {
                return cells.get(i);
            }
        }
        List<String> found = new ArrayList<>();
        byte[] encoding = event.readTags(found);
        int[] places = found.stream().mapToInt(this::cell).toArray();
        if (encodings.size() == MOST_ENCODINGS) {
            encodings.clear();
            cells.clear();
        }
        encodings.add(encoding);
        cells.add(places);
        return places;
    }

    private int cell(String name) {
        int place = tags.indexOf(name);
        if (place < 0) {
            place = tags.size();
            add(name);
        }
        return place;
    }

    private void add(String name) {
        tags.add(name);
        names = (String.join("\n", tags) + "\n").getBytes(StandardCharsets.UTF_8);
    }
}
