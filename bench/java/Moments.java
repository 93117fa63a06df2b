import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * Count, sum, sum of squares, minimum and maximum of each tag in each window.
 *
 * <p>The store has one entry per (asset, window) that holds all tags, or one per (tag, window). A
 * window is emitted once the asset's watermark has passed its end, again for late samples, and kept
 * for REOPEN more.
 */
final class Moments implements Processor<byte[], byte[], byte[], byte[]> {
    static final long SIZE = 60_000_000L;
    static final long OUT_OF_ORDER = 1_000_000L;
    static final long REOPEN = 60_000_000L;
    static final String WINDOWS = "windows";
    static final String TAGS = "tags";
    static final VarHandle DOUBLE =
        MethodHandles.byteArrayViewVarHandle(double[].class, ByteOrder.LITTLE_ENDIAN);
    static final VarHandle LONG =
        MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
    /** Bytes of a tag's five moments. */
    private static final int CELL = 40;
    /** The asset's newest event time comes before the cells of an entry. */
    private static final int HEAD = 8;

    private final boolean perTag;
    private final Map<Bytes, Asset> assets = new HashMap<>();
    private final SensorEvent event = new SensorEvent();
    private ProcessorContext<byte[], byte[]> context;
    private KeyValueStore<Bytes, byte[]> windows;
    private KeyValueStore<Bytes, byte[]> tags;
    /** The entry that samples are being added to; null: none. */
    private byte[] entry;
    private long start;
    private int cell;

    Moments(boolean perTag) {
        this.perTag = perTag;
    }

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
        this.context = context;
        windows = context.getStateStore(WINDOWS);
        tags = context.getStateStore(TAGS);
        try (KeyValueIterator<Bytes, byte[]> all = tags.all()) {
            all.forEachRemaining(one ->
                assets.put(one.key, Asset.restored(one.key.get(), one.value)));
        }
        try (KeyValueIterator<Bytes, byte[]> all = windows.all()) {
            all.forEachRemaining(one -> {
                byte[] key = one.key.get();
                Asset asset = assets.get(Asset.owner(key));
                asset.keep((long) LONG.get(key, key.length - 10));
                asset.newest = Math.max(asset.newest, (long) LONG.get(one.value, 0));
            });
        }
        for (Asset asset : assets.values()) {
            while (asset.emitted < asset.kept.size() && closed(asset, asset.emitted)) {
                asset.emitted++;
            }
        }
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
        Bytes key = Bytes.wrap(record.key());
        Asset asset = assets.computeIfAbsent(key, unknown -> new Asset(unknown.get()));
        event.open(record.value());
        int known = asset.size();
        int[] cells = asset.cells(event);
        if (asset.size() > known) {
            tags.put(key, asset.names);
        }
        int n = event.findColumns();
        int from = 0;
        for (int k = 0; k < n; k++) {
            int end = from + event.nextCount();
            add(asset, cells[k], from, end, record.timestamp());
            from = end;
        }
        store(asset, record.timestamp());
        emit(asset, record.timestamp());
    }

    /** Add samples of one tag to its windows. */
    private void add(Asset asset, int of, int from, int end, long timestamp) {
        long newest = asset.newest;
        int i = from;
        while (i < end) {
            long time = event.time(i);
            if (entry == null || time < start || time >= start + SIZE || perTag && of != cell) {
                store(asset, timestamp);
                open(asset, Math.floorDiv(time, SIZE) * SIZE, of);
            }
            int at = HEAD + (perTag ? 0 : CELL * of);
            long count = (long) LONG.get(entry, at);
            double sum = (double) DOUBLE.get(entry, at + 8);
            double squares = (double) DOUBLE.get(entry, at + 16);
            double low = (double) DOUBLE.get(entry, at + 24);
            double high = (double) DOUBLE.get(entry, at + 32);
            long limit = start + SIZE;
            do {
                double x = event.value(i);
                count++;
                sum += x;
                squares += x * x;
                low = Math.min(low, x);
                high = Math.max(high, x);
                newest = Math.max(newest, time);
                if (++i < end) {
                    time = event.time(i);
                }
            } while (i < end && time >= start && time < limit);
            LONG.set(entry, at, count);
            DOUBLE.set(entry, at + 8, sum);
            DOUBLE.set(entry, at + 16, squares);
            DOUBLE.set(entry, at + 24, low);
            DOUBLE.set(entry, at + 32, high);
        }
        asset.newest = newest;
    }

    /** Get or make the entry of a window. */
    private void open(Asset asset, long window, int of) {
        start = window;
        cell = perTag ? of : 0;
        byte[] known = windows.get(asset.entry(start, cell));
        int length = HEAD + CELL * (perTag ? 1 : asset.size());
        if (known == null) {
            asset.keep(start);
        }
        int old = known == null ? HEAD : known.length;
        entry = known == null ? new byte[length] : Arrays.copyOf(known, length);
        for (int at = old; at < length; at += CELL) {
            DOUBLE.set(entry, at + 24, Double.POSITIVE_INFINITY);
            DOUBLE.set(entry, at + 32, Double.NEGATIVE_INFINITY);
        }
    }

    /** Put the open entry back; one of an emitted window is emitted again. */
    private void store(Asset asset, long timestamp) {
        if (entry == null) {
            return;
        }
        LONG.set(entry, 0, asset.newest);
        windows.put(asset.entry(start, cell), entry);
        entry = null;
        if (asset.emitted > 0 && start <= asset.kept.get(asset.emitted - 1)) {
            forward(asset, start, timestamp);
        }
    }

    /** Emit the windows that the watermark has passed; forget those that nothing can reach. */
    private void emit(Asset asset, long timestamp) {
        while (asset.emitted < asset.kept.size() && closed(asset, asset.emitted)) {
            forward(asset, asset.kept.get(asset.emitted++), timestamp);
        }
        while (!asset.kept.isEmpty()
            && asset.kept.get(0) + SIZE + REOPEN <= asset.newest - OUT_OF_ORDER) {
            long gone = asset.kept.remove(0);
            asset.emitted--;
            for (int of = 0; of < (perTag ? asset.size() : 1); of++) {
                windows.delete(asset.entry(gone, of));
            }
        }
    }

    private static boolean closed(Asset asset, int place) {
        return asset.kept.get(place) + SIZE <= asset.newest - OUT_OF_ORDER;
    }

    /** Send a window's start, number of tags, cells and names. */
    private void forward(Asset asset, long window, long timestamp) {
        int cells = CELL * asset.size();
        byte[] result = new byte[12 + cells + asset.names.length];
        LONG.set(result, 0, window);
        result[8] = (byte) asset.size();
        result[9] = (byte) (asset.size() >> 8);
        for (int of = 0; of < (perTag ? asset.size() : 1); of++) {
            byte[] known = windows.get(asset.entry(window, of));
            if (known != null) {
                System.arraycopy(known, HEAD, result, 12 + CELL * of, known.length - HEAD);
            }
        }
        System.arraycopy(asset.names, 0, result, 12 + cells, asset.names.length);
        context.forward(new Record<>(asset.key, result, timestamp));
    }
}
