//! Attributes of retrieval: ingestion, embeddings, vector stores, document graphs.

use crate::model::{Text, UsageStats, attribute::attributes};

attributes! {
    /// Attributes of [`RagIngestion`](crate::model::SpanType::RagIngestion).
    RagIngestionAttributes {
        pipeline_name "pipelineName": Option<Text> => "The pipeline.";
        source_count "sourceCount": Option<u64> => "How many documents.";
        vector_store "vectorStore": Option<Text> => "The vector store.";
        index_name "indexName": Option<Text> => "The index.";
        embedding_model "embeddingModel": Option<Text> => "The model that embeds.";
        embedding_provider "embeddingProvider": Option<Text> => "That model's provider.";
        internal_usage "internalUsage": Option<UsageStats> => "Tokens of descendants that the source does not export.";
    }

    /// Attributes of [`RagEmbedding`](crate::model::SpanType::RagEmbedding).
    RagEmbeddingAttributes {
        model "model": Option<Text> => "The model.";
        provider "provider": Option<Text> => "The provider, as given.";
        dimensions "dimensions": Option<u64> => "How long a vector is.";
        input_count "inputCount": Option<u64> => "How many texts.";
        mode "mode": Option<Text> => "`ingest` or `query`.";
        usage "usage": Option<UsageStats> => "Tokens used.";
        internal_usage "internalUsage": Option<UsageStats> => "Tokens of descendants that the source does not export.";
    }

    /// Attributes of [`RagVectorOperation`](crate::model::SpanType::RagVectorOperation).
    RagVectorOperationAttributes {
        operation "operation": Option<Text> => "`query`, `upsert`, `delete`, ….";
        store "store": Option<Text> => "The vector store.";
        index_name "indexName": Option<Text> => "The index.";
        top_k "topK": Option<u64> => "Most results.";
        dimensions "dimensions": Option<u64> => "How long a vector is.";
        internal_usage "internalUsage": Option<UsageStats> => "Tokens of descendants that the source does not export.";
    }

    /// Attributes of [`RagAction`](crate::model::SpanType::RagAction); each action has some of its own.
    RagActionAttributes {
        action "action": Option<Text> => "`chunk`, `extract_metadata` or `rerank`.";
        strategy "strategy": Option<Text> => "How documents are cut.";
        chunk_size "chunkSize": Option<u64> => "How long a piece may be.";
        chunk_overlap "chunkOverlap": Option<u64> => "How much of a piece is in the next one too.";
        candidate_count "candidateCount": Option<u64> => "How many documents are ranked.";
        top_n "topN": Option<u64> => "How many of them stay.";
        scorer "scorer": Option<Text> => "What ranks them.";
        internal_usage "internalUsage": Option<UsageStats> => "Tokens of descendants that the source does not export.";
    }

    /// Attributes of [`GraphAction`](crate::model::SpanType::GraphAction).
    GraphActionAttributes {
        action "action": Option<Text> => "`build`, `traverse`, `update`, ….";
        node_count "nodeCount": Option<u64> => "How many nodes.";
        edge_count "edgeCount": Option<u64> => "How many edges.";
        threshold "threshold": Option<f64> => "How similar two nodes must be to be joined.";
        start_nodes "startNodes": Option<u64> => "How many nodes it starts from.";
        max_depth "maxDepth": Option<u64> => "Most steps from there.";
        internal_usage "internalUsage": Option<UsageStats> => "Tokens of descendants that the source does not export.";
    }
}
