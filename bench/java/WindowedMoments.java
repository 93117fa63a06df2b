import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueBytesStoreSupplier;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/**
 * Event-time windowed count, sum, sum of squares, minimum and maximum per tag, on Kafka Streams.
 *
 * <p>Reads SensorEvents (Avro, columns of 8-byte doubles) in place, keeps the moments of all tags
 * of an (asset, window) in one entry of a logged, cached store, and emits a window once the asset's
 * watermark has passed its end. A window is kept for REOPEN more, and emitted again if late samples
 * reach it.
 */
public final class WindowedMoments {
    static final long SIZE = 60_000_000L;
    static final long OUT_OF_ORDER = 1_000_000L;
    static final long REOPEN = 60_000_000L;
    static final String WINDOWS = "windows";
    static final String TAGS = "tags";

    /** Bytes of a tag's count, sum, sum of squares, minimum and maximum. */
    static final int CELL = 40;
    /** The newest event time of the asset comes before the cells. */
    static final int HEAD = 8;
    static final int MOST_ENCODINGS = 64;

    static final VarHandle DOUBLE =
        MethodHandles.byteArrayViewVarHandle(double[].class, ByteOrder.LITTLE_ENDIAN);
    static final VarHandle LONG =
        MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    private WindowedMoments() {}

    /** What is known of an asset: its tags, its windows, its newest event time. */
    static final class Asset {
        final byte[] key;
        final List<byte[]> names = new ArrayList<>();
        /** Encodings of `tags` seen, and which cell each of their tags has. */
        final List<byte[]> encodings = new ArrayList<>();
        final List<int[]> cells = new ArrayList<>();
        byte[] joined = new byte[0];
        long newest = Long.MIN_VALUE;
        /** Starts of the windows kept, ascending; those before `open` are emitted. */
        final List<Long> kept = new ArrayList<>();
        int open = 0;

        Asset(byte[] key) {
            this.key = key;
        }

        Bytes windowKey(long start) {
            byte[] bytes = Arrays.copyOf(key, key.length + 8);
            LONG.set(bytes, key.length, start);
            return Bytes.wrap(bytes);
        }

        void name(byte[] name) {
            names.add(name);
            int length = joined.length;
            joined = Arrays.copyOf(joined, length + name.length + 1);
            System.arraycopy(name, 0, joined, length, name.length);
            joined[joined.length - 1] = '\n';
        }

        int cell(byte[] name) {
            for (int i = 0; i < names.size(); i++) {
                if (Arrays.equals(names.get(i), name)) {
                    return i;
                }
            }
            name(name);
            return names.size() - 1;
        }
    }

    static final class Moments implements Processor<byte[], byte[], byte[], byte[]> {
        private ProcessorContext<byte[], byte[]> context;
        private KeyValueStore<Bytes, byte[]> windows;
        private KeyValueStore<Bytes, byte[]> tags;
        private final Map<Bytes, Asset> assets = new HashMap<>();
        private int position;
        /** The window that cells are being added to. */
        private long start = Long.MIN_VALUE;
        private byte[] value;

        @Override
        public void init(ProcessorContext<byte[], byte[]> context) {
            this.context = context;
            windows = context.getStateStore(WINDOWS);
            tags = context.getStateStore(TAGS);
            try (KeyValueIterator<Bytes, byte[]> all = tags.all()) {
                all.forEachRemaining(entry -> {
                    Asset asset = new Asset(entry.key.get());
                    for (String name : new String(entry.value, StandardCharsets.UTF_8).split("\n")) {
                        asset.name(name.getBytes(StandardCharsets.UTF_8));
                    }
                    assets.put(entry.key, asset);
                });
            }
            try (KeyValueIterator<Bytes, byte[]> all = windows.all()) {
                all.forEachRemaining(entry -> {
                    byte[] key = entry.key.get();
                    Asset asset = assets.get(Bytes.wrap(Arrays.copyOf(key, key.length - 8)));
                    asset.kept.add((long) LONG.get(key, key.length - 8));
                    asset.newest = Math.max(asset.newest, (long) LONG.get(entry.value, 0));
                });
            }
            for (Asset asset : assets.values()) {
                asset.kept.sort(null);
                while (asset.open < asset.kept.size()
                    && asset.kept.get(asset.open) + SIZE <= asset.newest - OUT_OF_ORDER) {
                    asset.open++;
                }
            }
        }

        @Override
        public void process(Record<byte[], byte[]> record) {
            Bytes key = Bytes.wrap(record.key());
            Asset asset = assets.get(key);
            if (asset == null) {
                asset = new Asset(record.key());
                assets.put(key, asset);
            }
            byte[] body = record.value();
            position = 5;
            for (int i = 0; i < 3; i++) { // asset, source, session
                int length = (int) readLong(body);
                position += length;
            }
            readLong(body); // sequence
            long begin = readLong(body);
            readLong(body); // ingest
            int[] cells = readTags(asset, body);
            int counts = position;
            int n = (int) readLong(body);
            for (int i = 0; i < n; i++) {
                readLong(body);
            }
            if (n > 0) {
                position++;
            }
            int times = position;
            int timeCount = (int) readLong(body);
            times = position;
            position += timeCount > 0 ? 8 * timeCount + 1 : 0;
            int serverTimes = (int) readLong(body);
            position += serverTimes > 0 ? 8 * serverTimes + 1 : 0;
            int total = (int) readLong(body);
            int values = position;
            position += total > 0 ? 8 * total + 1 : 0;
            if (body.length - position != 3) {
                throw new IllegalStateException("texts, kinds or quality: not in this benchmark");
            }
            position = counts;
            n = (int) readLong(body);
            int at = 0;
            for (int k = 0; k < n; k++) {
                int count = (int) readLong(body);
                add(asset, cells[k], body, begin, times, timeCount == 1, values, at, count);
                at += count;
            }
            store(asset);
            emit(asset, record.timestamp());
        }

        /** Add a tag's samples to its windows. */
        private void add(Asset asset, int cell, byte[] body, long begin, int times, boolean one,
                         int values, int from, int count) {
            int i = from;
            int end = from + count;
            long newest = asset.newest;
            while (i < end) {
                long time = begin + (long) (double) DOUBLE.get(body, times + (one ? 0 : 8 * i));
                if (time < start || time >= start + SIZE || value == null) {
                    open(asset, Math.floorDiv(time, SIZE) * SIZE);
                }
                long limit = start + SIZE;
                int offset = HEAD + CELL * cell;
                if (offset + CELL > value.length) {
                    widen(asset);
                }
                long number = (long) LONG.get(value, offset);
                double sum = (double) DOUBLE.get(value, offset + 8);
                double squares = (double) DOUBLE.get(value, offset + 16);
                double low = (double) DOUBLE.get(value, offset + 24);
                double high = (double) DOUBLE.get(value, offset + 32);
                do {
                    double x = (double) DOUBLE.get(body, values + 8 * i);
                    number++;
                    sum += x;
                    squares += x * x;
                    low = Math.min(low, x);
                    high = Math.max(high, x);
                    newest = Math.max(newest, time);
                    if (++i < end) {
                        time = begin + (long) (double) DOUBLE.get(body, times + (one ? 0 : 8 * i));
                    }
                } while (i < end && time >= start && time < limit);
                LONG.set(value, offset, number);
                DOUBLE.set(value, offset + 8, sum);
                DOUBLE.set(value, offset + 16, squares);
                DOUBLE.set(value, offset + 24, low);
                DOUBLE.set(value, offset + 32, high);
            }
            asset.newest = newest;
        }

        private void open(Asset asset, long at) {
            store(asset);
            start = at;
            byte[] known = windows.get(asset.windowKey(at));
            if (known != null) {
                value = known.clone();
                return;
            }
            value = new byte[HEAD];
            widen(asset);
            int place = asset.kept.size();
            while (place > 0 && asset.kept.get(place - 1) > at) {
                place--;
            }
            asset.kept.add(place, at);
            if (place < asset.open) {
                asset.open++; // behind the watermark: emitted as late
            }
        }

        private void widen(Asset asset) {
            int old = value.length;
            value = Arrays.copyOf(value, HEAD + CELL * asset.names.size());
            for (int offset = old; offset < value.length; offset += CELL) {
                DOUBLE.set(value, offset + 24, Double.POSITIVE_INFINITY);
                DOUBLE.set(value, offset + 32, Double.NEGATIVE_INFINITY);
            }
        }

        private void store(Asset asset) {
            if (value == null) {
                return;
            }
            LONG.set(value, 0, asset.newest);
            windows.put(asset.windowKey(start), value);
            if (start + SIZE <= asset.newest - OUT_OF_ORDER
                && asset.kept.indexOf(start) < asset.open) {
                forward(asset, start, value, context.currentSystemTimeMs());
            }
            value = null;
        }

        /** Emit the windows that the watermark has passed; forget those that nothing can reach. */
        private void emit(Asset asset, long timestamp) {
            long watermark = asset.newest - OUT_OF_ORDER;
            List<Long> kept = asset.kept;
            while (asset.open < kept.size() && kept.get(asset.open) + SIZE <= watermark) {
                long at = kept.get(asset.open++);
                forward(asset, at, windows.get(asset.windowKey(at)), timestamp);
            }
            while (!kept.isEmpty() && kept.get(0) + SIZE + REOPEN <= watermark) {
                windows.delete(asset.windowKey(kept.remove(0)));
                asset.open--;
            }
        }

        private void forward(Asset asset, long at, byte[] cells, long timestamp) {
            int length = cells.length - HEAD;
            byte[] result = new byte[12 + length + asset.joined.length];
            LONG.set(result, 0, at);
            result[8] = (byte) (length / CELL);
            result[9] = (byte) (length / CELL >> 8);
            System.arraycopy(cells, HEAD, result, 12, length);
            System.arraycopy(asset.joined, 0, result, 12 + length, asset.joined.length);
            context.forward(new Record<>(asset.key, result, timestamp));
        }

        /** The cell of each of the event's tags. */
        private int[] readTags(Asset asset, byte[] body) {
            for (int i = 0; i < asset.encodings.size(); i++) {
                byte[] encoding = asset.encodings.get(i);
                int end = position + encoding.length;
                if (end <= body.length && Arrays.equals(
                        body, position, end, encoding, 0, encoding.length)) {
                    position = end;
                    return asset.cells.get(i);
                }
            }
            int from = position;
            int known = asset.names.size();
            int n = (int) readLong(body);
            int[] cells = new int[n];
            for (int i = 0; i < n; i++) {
                int size = (int) readLong(body);
                cells[i] = asset.cell(Arrays.copyOfRange(body, position, position + size));
                position += size;
            }
            position++;
            if (asset.encodings.size() == MOST_ENCODINGS) {
                asset.encodings.clear();
                asset.cells.clear();
            }
            asset.encodings.add(Arrays.copyOfRange(body, from, position));
            asset.cells.add(cells);
            if (asset.names.size() > known) {
                tags.put(Bytes.wrap(asset.key), asset.joined);
            }
            return cells;
        }

        private long readLong(byte[] body) {
            long result = 0;
            int shift = 0;
            byte b;
            do {
                b = body[position++];
                result |= (long) (b & 127) << shift;
                shift += 7;
            } while (b < 0);
            return (result >>> 1) ^ -(result & 1);
        }
    }

    private static StoreBuilder<KeyValueStore<Bytes, byte[]>> store(String name, boolean rocksdb) {
        KeyValueBytesStoreSupplier supplier =
            rocksdb ? Stores.persistentKeyValueStore(name) : Stores.inMemoryKeyValueStore(name);
        return Stores.keyValueStoreBuilder(supplier, Serdes.Bytes(), Serdes.ByteArray())
            .withCachingEnabled()
            .withLoggingEnabled(Map.of());
    }

    /** Arguments: bootstrap, application, input, output, memory|rocksdb, folder, guarantee. */
    public static void main(String[] args) throws InterruptedException {
        boolean rocksdb = args[4].equals("rocksdb");
        Topology topology = new Topology()
            .addSource("in", Serdes.ByteArray().deserializer(), Serdes.ByteArray().deserializer(),
                args[2])
            .addProcessor("moments", Moments::new, "in")
            .addStateStore(store(WINDOWS, rocksdb), "moments")
            .addStateStore(store(TAGS, rocksdb), "moments")
            .addSink("out", args[3], Serdes.ByteArray().serializer(),
                Serdes.ByteArray().serializer(), "moments");
        Properties settings = new Properties();
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, args[1]);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, args[5]);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, args[6]);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1000);
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 256L << 20);
        settings.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 10_000);
        settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        settings.put(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, 10_000);
        settings.put(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG, 4 << 20);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 20);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 512 << 10);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.BUFFER_MEMORY_CONFIG), 128L << 20);
        KafkaStreams streams = new KafkaStreams(topology, settings);
        CountDownLatch stopped = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            streams.close();
            stopped.countDown();
        }));
        streams.start();
        stopped.await();
    }
}
